/**
 * The shapes in which errors are told: our own (RFC 9457), the Open Inference Protocol's and OpenAI's. Paths decide.
 */
import { type ProblemBody, problemContentType } from "@sluice/api/Problem"
import { describeError } from "@sluice/domain/ErrorCatalogue"
import type { SluiceError } from "@sluice/domain/Errors"
import type { PlainAnswer } from "./PlainAnswer.ts"

export type Surface = "own" | "oip" | "openai"

export const surfaceOf = (path: string): Surface =>
  path === "/v2" || path.startsWith("/v2/") ? "oip" : path.startsWith("/v1/") ? "openai" : "own"

/** Header values are whole seconds (RFC 9110, section 10.2.3), and never zero. */
const retryAfter = (ms: number): string => String(Math.max(1, Math.ceil(ms / 1000)))

const openAiType = (status: number): string =>
  status === 401
    ? "authentication_error"
    : status === 403
    ? "permission_error"
    : status === 429
    ? "rate_limit_error"
    : status < 500
    ? "invalid_request_error"
    : "server_error"

const bodyOf = (surface: Surface, error: SluiceError, path: string, requestId: string): unknown => {
  const { code, detail, status, title } = describeError(error)
  switch (surface) {
    case "own":
      return {
        type: `urn:sluice:error:${code}`,
        title,
        status,
        detail,
        instance: path,
        code,
        request_id: requestId,
        ...(error._tag === "RegistryInvalid" ? { mistakes: error.mistakes } : {})
      } satisfies ProblemBody
    case "oip":
      return { error: detail }
    case "openai":
      return {
        error: {
          message: detail,
          type: openAiType(status),
          param: error._tag === "MalformedRequest" ? error.field ?? null : null,
          code
        }
      }
  }
}

const headersOf = (error: SluiceError): Record<string, string> => {
  const { retryAfterMs } = describeError(error)
  return {
    ...(retryAfterMs === undefined ? {} : { "retry-after": retryAfter(retryAfterMs) }),
    ...(error._tag === "MethodNotAllowed" ? { allow: error.allow.join(", ") } : {}),
    ...(error._tag === "UnsupportedMediaType" ? { accept: error.accepted.join(", ") } : {}),
    ...(error._tag === "Unauthenticated" ? { "www-authenticate": "Bearer" } : {}),
    ...(error._tag === "RateLimited" && error.rateLimit !== undefined ? { ratelimit: error.rateLimit } : {}),
    ...(error._tag === "RateLimited" && error.rateLimitPolicy !== undefined
      ? { "ratelimit-policy": error.rateLimitPolicy }
      : {}),
    ...(error._tag === "PayloadTooLarge" ? { connection: "close" } : {})
  }
}

/** An error as the answer to a request on that path. */
export const errorAnswer = (error: SluiceError, path: string, requestId: string): PlainAnswer => {
  const surface = surfaceOf(path)
  return {
    status: describeError(error).status,
    contentType: surface === "own" ? problemContentType : "application/json",
    headers: headersOf(error),
    body: JSON.stringify(bodyOf(surface, error, path, requestId))
  }
}
