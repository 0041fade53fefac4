/**
 * The catalogue: for each error its code, HTTP status, meaning and what to do. `docs/reference/errors.md` is made from it.
 */
import type { SluiceError } from "./Errors.ts"

export interface CatalogueEntry {
  readonly code: string
  readonly status: number
  readonly title: string
  readonly meaning: string
  readonly remedy: string
}

export const errorCatalogue: Readonly<Record<SluiceError["_tag"], CatalogueEntry>> = {
  MalformedRequest: {
    code: "malformed_request",
    status: 400,
    title: "Malformed request",
    meaning:
      "The body is not JSON, a field has the wrong shape or datatype, or an element count differs from its shape.",
    remedy: "Change the field that `detail` names to what it says was expected."
  },
  Unauthenticated: {
    code: "unauthenticated",
    status: 401,
    title: "No or bad key",
    meaning: "The server asks for a key and the request carried none, or one that is not valid.",
    remedy: "Send the key in `X-Token`, `X-API-Key` or `Authorization: Bearer`."
  },
  Forbidden: {
    code: "forbidden",
    status: 403,
    title: "Not allowed",
    meaning: "The key is valid, but its roles or its list of models do not cover this route or model.",
    remedy: "Use a key that has the role or the model that `detail` names, or ask whoever keeps the keys."
  },
  RateLimited: {
    code: "rate_limited",
    status: 429,
    title: "Limit used up",
    meaning: "A limit of requests, items, tokens or concurrent calls is used up: of the key, the model or the server.",
    remedy: "Send the request again after `Retry-After`; `RateLimit-Policy` has the limits, `RateLimit` what is left."
  },
  LimitsUnavailable: {
    code: "limits_unavailable",
    status: 503,
    title: "Limits cannot be checked",
    meaning: "The store behind the rate limits (Redis) does not answer, and `rate_limits.fail` is `closed`.",
    remedy:
      "Send the request again after `Retry-After`; bring the store back, or set `rate_limits.fail` to `local` or `open`."
  },
  ModelNotFound: {
    code: "model_not_found",
    status: 404,
    title: "No such model",
    meaning: "The registry has no model of that name.",
    remedy: "Use a name that `GET /models` lists."
  },
  VersionNotFound: {
    code: "version_not_found",
    status: 404,
    title: "No such version",
    meaning: "The model exists, but not in that version.",
    remedy: "Use a version that `GET /models` lists, or leave it out for the default."
  },
  VersionRetired: {
    code: "version_retired",
    status: 410,
    title: "Version retired",
    meaning: "The registry keeps the version for the record only.",
    remedy: "Leave `model_version` out, or name an active version."
  },
  OriginRefused: {
    code: "origin_refused",
    status: 403,
    title: "Origin refused",
    meaning:
      "The server asks for no key, and a web page of another origin wants to call it through somebody's browser.",
    remedy: "List the page's origin in `CORS_ORIGINS`, or set `AUTH_TOKEN`."
  },
  RouteNotFound: {
    code: "route_not_found",
    status: 404,
    title: "No such route",
    meaning: "Nothing is served at this path.",
    remedy: "See `/docs` for the routes."
  },
  MethodNotAllowed: {
    code: "method_not_allowed",
    status: 405,
    title: "Method not allowed",
    meaning: "The path exists, but not for this HTTP method.",
    remedy: "Use a method that the `Allow` header lists."
  },
  PayloadTooLarge: {
    code: "payload_too_large",
    status: 413,
    title: "Body too large",
    meaning: "The body, after decompression, is larger than the server accepts.",
    remedy: "Send fewer items a request, or raise `MAX_BODY_BYTES`."
  },
  UnsupportedMediaType: {
    code: "unsupported_media_type",
    status: 415,
    title: "Unsupported media type",
    meaning: "The `Content-Type` or `Content-Encoding` is not one that the route takes.",
    remedy: "Send one of the types that `detail` lists."
  },
  InvalidInput: {
    code: "invalid_input",
    status: 422,
    title: "Input the model cannot take",
    meaning: "Well-formed, but the model cannot compute it: a missing feature, a wrong feature count, too many tokens.",
    remedy: "Change the item that `detail` names to what it says the model expects."
  },
  InternalError: {
    code: "internal_error",
    status: 500,
    title: "Internal error",
    meaning: "A fault of the server, not of the request.",
    remedy: "Report it with the request id; the cause is in the server's log."
  },
  ModelFailed: {
    code: "model_failed",
    status: 502,
    title: "The model failed",
    meaning: "The model itself failed on this input.",
    remedy: "Check the input against the model's signature; the cause is in the server's log."
  },
  InstanceLost: {
    code: "instance_lost",
    status: 503,
    title: "The instance ended",
    meaning: "The worker that computed this request ended before it answered. A new one is being started.",
    remedy: "Send the request again after `Retry-After`."
  },
  ModelNotReady: {
    code: "model_not_ready",
    status: 503,
    title: "The model is not ready",
    meaning: "The version is loading, warming up, draining, or failed to load.",
    remedy: "Send the request again after `Retry-After`, or ask for another version."
  },
  Overloaded: {
    code: "overloaded",
    status: 503,
    title: "Overloaded",
    meaning: "The version's queue is full, or what waits in it would not leave time for this request.",
    remedy: "Send the request again after `Retry-After`, or allow it more time."
  },
  CircuitOpen: {
    code: "circuit_open",
    status: 503,
    title: "Circuit open",
    meaning: "The version failed repeatedly, so it is not called until a probe succeeds.",
    remedy: "Send the request again after `Retry-After`, or ask for another version."
  },
  ServerDraining: {
    code: "server_draining",
    status: 503,
    title: "Shutting down",
    meaning: "The server finishes what it accepted and takes nothing new.",
    remedy: "Send the request to another server."
  },
  CacheUnavailable: {
    code: "cache_unavailable",
    status: 503,
    title: "Cache unavailable",
    meaning: "The store behind the prediction cache (Redis) does not answer, or refuses. Predictions go on without it.",
    remedy: "Bring the store back, and send the request again."
  },
  ChangeIncomplete: {
    code: "change_incomplete",
    status: 503,
    title: "Not in every process",
    meaning: "A server of several processes did it in some of them; another ended, or did not answer in time.",
    remedy: "Send the request again: what is done already is not done twice."
  },
  RegistryInvalid: {
    code: "registry_invalid",
    status: 422,
    title: "The registry cannot be served",
    meaning: "A registry that was sent has mistakes, each with its line and field. Nothing was changed.",
    remedy: "Mend what `detail` names, and send it again."
  },
  RevisionConflict: {
    code: "revision_conflict",
    status: 412,
    title: "Changed meanwhile",
    meaning: "The `If-Match` header names a state that is not the present one: somebody else changed it.",
    remedy: "Read it again, make the change to that, and send the new `ETag`."
  },
  ChangeRefused: {
    code: "change_refused",
    status: 409,
    title: "Not as things stand",
    meaning: "The change does not fit the present state, such as a rollout of a model that has none.",
    remedy: "See `detail` for what would help."
  },
  DeadlineExceeded: {
    code: "deadline_exceeded",
    status: 504,
    title: "Deadline passed",
    meaning: "No answer within the time the caller, or the server's default, allows.",
    remedy: "Allow more time by `timeout_ms`, or send fewer items."
  }
}

/** What a surface needs to show an error: its catalogue entry, its sentence, and how long to wait (milliseconds). */
export const describeError = (error: SluiceError) => ({
  ...errorCatalogue[error._tag],
  detail: error.message,
  retryAfterMs: "retryAfterMs" in error ? error.retryAfterMs : undefined
})
