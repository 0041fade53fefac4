/**
 * From what a caller typed, piped or keeps in a file to predict requests. Pure.
 */
import { PredictRequest } from "@sluice/domain/PredictRequest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

/** A request without what the command line says of it. */
export type PredictBody = Omit<PredictRequest, "id" | "model" | "model_version">

type Parsed = Result.Result<PredictBody, string>

const kinds = ["texts", "features", "records"] as const
type Kind = typeof kinds[number]

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const kindOf = (item: unknown): Kind | undefined =>
  typeof item === "string" ? "texts" : Array.isArray(item) ? "features" : isObject(item) ? "records" : undefined

const shown: Readonly<Record<Kind, string>> = {
  texts: "a text",
  features: "a list of features",
  records: "a record"
}

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const sentenceOf = ({ issue }: Schema.SchemaError): string => {
  const [first] = formatIssues(issue).issues
  const field = (first?.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".")
  return `${field === "" ? "" : `${field}: `}${first?.message ?? "not a predict request"}`
}

const decode = (body: unknown): Parsed =>
  Result.mapBoth(Schema.decodeUnknownResult(PredictRequest)(body), {
    onSuccess: ({ id: _id, model: _model, model_version: _version, ...rest }) => rest,
    onFailure: sentenceOf
  })

const ofItems = (items: ReadonlyArray<unknown>): Parsed => {
  const kind = kindOf(items[0])
  if (items.length === 0) return Result.fail("the list has no items")
  if (kind === undefined) return Result.fail("expected texts, lists of features or records")
  const other = items.findIndex((item) => kindOf(item) !== kind)
  if (other !== -1) return Result.fail(`item ${other} is not ${shown[kind]}, as item 0 is: a request has one kind`)
  return decode({ [kind]: items })
}

/** One row of features may stand without a list around it. */
const isRow = (items: ReadonlyArray<unknown>): boolean =>
  items.length > 0 && items.every((item) => kindOf(item) === undefined || typeof item === "string") &&
  items.some((item) => typeof item !== "string")

/** A list of items, one item, or a whole request as `POST /api/v1/predict` takes it. */
export const ofJson = (json: unknown): Parsed => {
  if (Array.isArray(json)) return isRow(json) ? decode({ features: [json] }) : ofItems(json)
  if (!isObject(json)) return typeof json === "string" ? decode({ texts: [json] }) : ofItems([json])
  const isRequest = kinds.some((kind) => Array.isArray(json[kind]))
  return isRequest ? decode(json) : decode({ records: [json] })
}

const parseJson = (text: string): Result.Result<unknown, string> =>
  Result.try({
    try: (): unknown => JSON.parse(text),
    catch: (cause) => String(cause instanceof Error ? cause.message : cause)
  })

export const ofJsonText = (text: string): Parsed =>
  text.trim() === ""
    ? Result.fail("it is empty")
    : Result.flatMap(Result.mapError(parseJson(text), (reason) => `it is not JSON: ${reason}`), ofJson)

/** A list or a record; other JSON, such as a bare number or word, is more likely a text that looks like it. */
const jsonStructure = (text: string): Result.Result<unknown, string> =>
  Result.filterOrFail(parseJson(text), (value) => typeof value === "object" && value !== null, () => "not a structure")

/** JSON as a whole, else JSON in every line, else a text a line. Blank lines count for nothing. */
export const ofStandardInput = (text: string): Parsed => {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "")
  if (lines.length === 0) return Result.fail("standard input is empty")
  const whole = jsonStructure(text)
  if (Result.isSuccess(whole)) return ofJson(whole.success)
  const each = Result.all(lines.map(jsonStructure))
  return Result.isSuccess(each) ? ofItems(each.success) : decode({ texts: lines })
}

/** At most this many items travel in one call, so that a long file stays within the server's queue and body limits. */
const callSize = 256

export interface Call {
  readonly body: PredictBody
  /** The place of its first item in the whole input. */
  readonly offset: number
}

/** The calls that a body makes, in order. */
export const callsOf = (body: PredictBody): ReadonlyArray<Call> => {
  const cut = (items: ReadonlyArray<unknown>) => Math.max(1, Math.ceil(items.length / callSize))
  const { features, records, texts, ...rest } = body
  // A request of two kinds is the server's to refuse.
  const [kind, ...others] = [texts, features, records].filter((items) => items !== undefined)
  if (kind === undefined || others.length > 0) return [{ body, offset: 0 }]
  return Array.from({ length: cut(kind) }, (_, call) => {
    const offset = call * callSize
    const end = offset + callSize
    return {
      offset,
      body: {
        ...rest,
        ...(texts === undefined ? {} : { texts: texts.slice(offset, end) }),
        ...(features === undefined ? {} : { features: features.slice(offset, end) }),
        ...(records === undefined ? {} : { records: records.slice(offset, end) })
      }
    }
  })
}
