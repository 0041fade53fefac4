/**
 * What is wrong with a request that was never sent, as the server itself would say it.
 */
import { MalformedRequest } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import * as SchemaIssue from "effect/SchemaIssue"

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

/** The first thing that is wrong, by its field, from what a schema's constructor throws; other defects stay such. */
export const malformedPayload = (defect: unknown): Effect.Effect<never, MalformedRequest> => {
  const issue = defect instanceof Error ? defect.cause : undefined
  if (!SchemaIssue.isIssue(issue)) return Effect.die(defect)
  const [first] = formatIssues(issue).issues
  const field = (first?.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".")
  const detail = first?.message ?? "not what this call takes"
  return Effect.fail(new MalformedRequest(field === "" ? { detail } : { field, detail }))
}
