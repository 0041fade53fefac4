/**
 * Errors of the platform's own surface: RFC 9457 problem details, one schema a status, for the documents and clients.
 */
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"

/** `code` is the catalogue's; `instance` the path that was asked. */
export const ProblemBody = Schema.Struct({
  type: Schema.String,
  title: Schema.String,
  status: Schema.Int,
  detail: Schema.String,
  instance: Schema.String,
  code: Schema.String,
  request_id: Schema.String,
  /** Of a registry that is refused: a sentence for each. */
  mistakes: Schema.optionalKey(Schema.Array(Schema.String))
})
export interface ProblemBody extends Schema.Schema.Type<typeof ProblemBody> {}

export const problemContentType = "application/problem+json"

const problem = (status: number, description: string) =>
  ProblemBody.annotate({ description }).pipe(
    HttpApiSchema.asJson({ contentType: problemContentType }),
    HttpApiSchema.status(status)
  )

const forbiddenProblem = problem(403, "The key's roles or models do not cover this")

/** What any call to a model may answer with instead of a result. */
export const inferenceProblems = [
  problem(400, "Not JSON, or a field of the wrong shape or datatype"),
  problem(401, "No or bad key"),
  forbiddenProblem,
  problem(404, "No such model or version"),
  problem(413, "The body is too large"),
  problem(415, "Not a content type that the route takes"),
  problem(422, "Well-formed, but the model cannot take it"),
  problem(500, "A fault of the server"),
  problem(502, "The model failed on this input"),
  problem(503, "Overloaded, draining, circuit open or not ready: see Retry-After"),
  problem(504, "The deadline passed")
] as const

export const malformedProblem = problem(400, "A parameter that is not of its form")

export const notFoundProblem = problem(404, "No such model")

/** What a change to what is served may be answered with instead. */
export const changeProblems = [
  problem(400, "Not of the form that the route takes"),
  problem(401, "No or bad key"),
  forbiddenProblem,
  problem(404, "No such model"),
  problem(409, "Not possible as things stand"),
  problem(412, "Changed meanwhile: If-Match names another state"),
  problem(413, "The body is too large"),
  problem(415, "Not a content type that the route takes"),
  problem(422, "A registry with mistakes: each is named with its line and field"),
  problem(500, "A fault of the server")
] as const

export const ifMatch = Schema.optionalKey(
  Schema.String.annotate({ description: "An ETag: the change is made only if it is the present one" })
)

export const readProblems = [
  problem(401, "No or bad key"),
  forbiddenProblem,
  problem(500, "A fault of the server")
] as const

export const storeProblem = problem(503, "The cache's store does not answer, or refuses: see Retry-After")
