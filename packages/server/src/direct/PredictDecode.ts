/**
 * Decodes the usual predict request without its schema.
 */
import { isModelName, isRequestId } from "@sluice/domain/Ids"
import type { FeatureValue } from "@sluice/domain/Item"
import { isTimeoutMs, type PredictRequest, Priority } from "@sluice/domain/PredictRequest"
import { isListOf, isObject, isOptionalBoolean, isRecordOf, isString } from "./DecodeParts.ts"

const priorities: ReadonlySet<unknown> = new Set(Priority.literals)

const isPriority = (value: unknown): value is Priority => priorities.has(value)

const isFeatureValue = (value: unknown): value is FeatureValue =>
  typeof value === "number"
    ? Number.isFinite(value)
    : typeof value === "string" || typeof value === "boolean" || value === null

const isRow = (value: unknown): value is ReadonlyArray<FeatureValue> => isListOf(value, isFeatureValue)

const isRecord = (value: unknown): value is Readonly<Record<string, FeatureValue>> => isRecordOf(value, isFeatureValue)

/** The request, or undefined where the schema must say. */
export const decodePredict = (body: unknown): PredictRequest | undefined => {
  if (!isObject(body)) return undefined
  const { consistent, features, id, model, model_version, partial, priority, records, texts, timeout_ms } = body
  const { return_probabilities, use_cache } = body
  if (
    !(id === undefined || isRequestId(id)) ||
    !(model === undefined || isModelName(model)) ||
    !(model_version === undefined || isModelName(model_version)) ||
    !(texts === undefined || isListOf(texts, isString)) ||
    !(features === undefined || isListOf(features, isRow)) ||
    !(records === undefined || isListOf(records, isRecord)) ||
    !isOptionalBoolean(return_probabilities) || !isOptionalBoolean(use_cache) ||
    !(timeout_ms === undefined || isTimeoutMs(timeout_ms)) ||
    !(priority === undefined || isPriority(priority)) ||
    !isOptionalBoolean(partial) || !isOptionalBoolean(consistent)
  ) return undefined
  const request: { -readonly [K in keyof PredictRequest]: PredictRequest[K] } = {}
  if (id !== undefined) request.id = id
  if (model !== undefined) request.model = model
  if (model_version !== undefined) request.model_version = model_version
  if (texts !== undefined) request.texts = texts
  if (features !== undefined) request.features = features
  if (records !== undefined) request.records = records
  if (return_probabilities !== undefined) request.return_probabilities = return_probabilities
  if (use_cache !== undefined) request.use_cache = use_cache
  if (timeout_ms !== undefined) request.timeout_ms = timeout_ms
  if (priority !== undefined) request.priority = priority
  if (partial !== undefined) request.partial = partial
  if (consistent !== undefined) request.consistent = consistent
  return request
}
