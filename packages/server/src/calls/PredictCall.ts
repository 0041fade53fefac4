/**
 * The predict call over HTTP: its body and its answer's text, which is that of `toPredictResponse` as JSON. Pure.
 */
import type { LegacyPredictRequest } from "@sluice/api/PredictApi"
import type { InferredItem, InferResult } from "@sluice/core/InferRequest"
import { ModelNotFound, type SluiceError } from "@sluice/domain/Errors"
import type { PredictRequest } from "@sluice/domain/PredictRequest"
import * as Result from "effect/Result"
import type { CallContext } from "./CallContext.ts"
import { float32Text } from "./Float32Text.ts"
import { failureOf, itemError, roundMs, scoresMember, toInferRequest, tookOf } from "./PredictTranslation.ts"
import { pieceLength, type SurfaceCall, type TextWriter } from "./SurfaceCall.ts"

const numbersText = (values: ReadonlyArray<number> | Float32Array): string =>
  values instanceof Float32Array ? float32Text(values) : values.join(",")

const resultText = (
  item: InferredItem,
  text: string | undefined,
  member: ReturnType<typeof scoresMember>
): string => {
  const { embedding, outputs, prediction, probabilities } = item.prediction ?? {}
  let json = "{"
  if (text !== undefined) json += `"text":${JSON.stringify(text)},`
  if (prediction !== undefined) json += `"prediction":${JSON.stringify(prediction)},`
  if (member !== undefined && probabilities !== undefined) json += `"${member}":${JSON.stringify(probabilities)},`
  if (embedding !== undefined) json += `"embedding":[${numbersText(embedding)}],`
  if (outputs !== undefined) json += `"outputs":${JSON.stringify(outputs)},`
  return `${json}"latency_ms":${roundMs(item.latencyMs)},"cached":${item.cached}}`
}

/** The answer's text, or the first item's error where the caller did not ask for partial results. */
export function* predictText(result: InferResult, request: PredictRequest, requestId: string): TextWriter {
  const { items, model, version } = result
  const member = scoresMember(request)
  let json = `{"request_id":${JSON.stringify(requestId)},"model":${JSON.stringify(model)},` +
    `"model_version":${JSON.stringify(version)},"results":[`
  for (let i = 0; i < items.length; i++) {
    const outcome = items[i]!
    const failure = failureOf(outcome, result)
    if (i > 0) json += ","
    if (failure === undefined) json += resultText(Result.getOrThrow(outcome), request.texts?.[i], member)
    else if (request.partial === true) json += JSON.stringify(itemError(failure))
    else return Result.fail(failure)
    if (json.length >= pieceLength) {
      yield json
      json = ""
    }
  }
  const took = tookOf(result)
  return Result.succeed(
    `${json}],"latency_ms":${took.latency_ms},"inference_time_seconds":${took.inference_time_seconds},` +
      `"throughput_samples_per_sec":${took.throughput_samples_per_sec}` +
      (result.degraded === undefined ? "}" : `,"degraded":"${result.degraded.kind}"}`)
  )
}

export const predictCall = (body: PredictRequest, context: CallContext): Result.Result<SurfaceCall, SluiceError> => {
  const request = toInferRequest(body, context)
  return Result.isFailure(request) ? Result.fail(request.failure) : Result.succeed({
    request: request.success,
    write: (result) => predictText(result, body, body.id ?? context.requestId)
  })
}

/** A path that the registry lists stands for its model and version; any other is no model, and is never read. */
export const resolveAlias = (
  { model_path: path, ...body }: LegacyPredictRequest,
  byPath: (path: string) => { readonly model: string; readonly version: string } | undefined
): Result.Result<PredictRequest, ModelNotFound> => {
  if (path === undefined) return Result.succeed(body)
  const found = byPath(path)
  return found === undefined
    ? Result.fail(new ModelNotFound({ model: path.slice(0, 200) }))
    : Result.succeed({ ...body, model: found.model, model_version: body.model_version ?? found.version })
}
