/**
 * From a JSON text to the value of a schema; what is wrong is named by its field. Pure.
 */
import { MalformedRequest } from "@sluice/domain/Errors"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { parseExact } from "./ExactJson.ts"

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const fieldOf = (path: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined): string =>
  (path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".")

/** The first thing that is wrong, by its field: a caller mends one thing at a time. */
export const malformed = (error: Schema.SchemaError): MalformedRequest => {
  const issue = formatIssues(error.issue).issues[0]
  const field = fieldOf(issue?.path)
  const detail = issue?.message ?? "not what this route takes"
  return new MalformedRequest(field === "" ? { detail } : { field, detail })
}

const notJson = () => new MalformedRequest({ detail: "the body is not JSON (NaN and Infinity are not JSON either)" })

export interface JsonReaderOptions<A> {
  /** Keeps integers in lists that a number cannot hold, as bigint. */
  readonly exactIntegers: boolean
  /** Decodes the usual shapes without the schema; undefined where it is not sure. What it gives is what the schema would. */
  readonly quick?: (value: unknown) => A | undefined
}

/** A reader of JSON texts of one schema. */
export const jsonReader = <A, E>(
  schema: Schema.Codec<A, E>,
  { exactIntegers, quick }: JsonReaderOptions<A>
): (text: string) => Result.Result<A, MalformedRequest> => {
  const decode = Schema.decodeUnknownResult(schema)
  const parse: (text: string) => unknown = exactIntegers ? parseExact : JSON.parse
  return (text) => {
    let value: unknown
    try {
      value = parse(text)
    } catch {
      return Result.fail(notJson())
    }
    const known = quick?.(value)
    return known === undefined ? Result.mapError(decode(value), malformed) : Result.succeed(known)
  }
}
