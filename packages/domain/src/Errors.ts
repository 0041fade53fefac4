/**
 * Every error a caller can meet, as values. Their codes, statuses and advice are in `ErrorCatalogue.ts`.
 */
import * as Schema from "effect/Schema"

const model = Schema.String
const version = Schema.String
/** How long to wait before trying again, in milliseconds. */
const retryAfterMs = Schema.Finite

export class MalformedRequest extends Schema.TaggedError<MalformedRequest>()("MalformedRequest", {
  detail: Schema.String,
  field: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    return this.field === undefined ? this.detail : `${this.field}: ${this.detail}`
  }
}

export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", {}) {
  override get message() {
    return "a valid key is needed: send it in X-Token, X-API-Key or as Authorization: Bearer"
  }
}

/** The key is known, and not allowed this. `detail` says what it is not allowed. */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", { detail: Schema.String }) {
  override get message() {
    return `the key is not allowed this: ${this.detail}`
  }
}

/**
 * A limit of this caller, of the model or of the server is used up. `rateLimit` and `rateLimitPolicy` are the values of
 * the headers of these names (draft-ietf-httpapi-ratelimit-headers-10).
 */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  detail: Schema.String,
  retryAfterMs,
  rateLimit: Schema.optionalKey(Schema.String),
  rateLimitPolicy: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    return `${this.detail}: try again after the time given`
  }
}

/** What is left of a limit could not be asked, and calls are refused then, by configuration. */
export class LimitsUnavailable extends Schema.TaggedError<LimitsUnavailable>()("LimitsUnavailable", { retryAfterMs }) {
  override get message() {
    return "the store of rate limits does not answer, and calls are refused without it: try again after the time given"
  }
}

export class ModelNotFound extends Schema.TaggedError<ModelNotFound>()("ModelNotFound", { model }) {
  override get message() {
    return `no model is named "${this.model}": GET /models lists those that are served`
  }
}

export class VersionNotFound extends Schema.TaggedError<VersionNotFound>()("VersionNotFound", { model, version }) {
  override get message() {
    return `model "${this.model}" has no version "${this.version}": GET /models lists its versions`
  }
}

export class VersionRetired extends Schema.TaggedError<VersionRetired>()("VersionRetired", { model, version }) {
  override get message() {
    return `version "${this.version}" of model "${this.model}" is retired: leave model_version out, or name an active one`
  }
}

export class RouteNotFound extends Schema.TaggedError<RouteNotFound>()("RouteNotFound", {}) {
  override get message() {
    return "nothing is served at this path: /docs lists the routes"
  }
}

/** A web page of another origin, at a server that asks for no key. */
export class OriginRefused extends Schema.TaggedError<OriginRefused>()("OriginRefused", {}) {
  override get message() {
    return "pages of another origin may not call a server without a key: its CORS_ORIGINS would list them"
  }
}

export class MethodNotAllowed extends Schema.TaggedError<MethodNotAllowed>()("MethodNotAllowed", {
  allow: Schema.Array(Schema.String)
}) {
  override get message() {
    return `this path answers to ${this.allow.join(", ")} only`
  }
}

export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>()("PayloadTooLarge", {
  limitBytes: Schema.Int
}) {
  override get message() {
    return `the body is larger than ${this.limitBytes} bytes, the limit after decompression: send fewer items a request`
  }
}

export class UnsupportedMediaType extends Schema.TaggedError<UnsupportedMediaType>()("UnsupportedMediaType", {
  accepted: Schema.Array(Schema.String)
}) {
  override get message() {
    return `this route takes ${this.accepted.join(", ")}`
  }
}

/** `item` is the item's place in the request, from 0. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", {
  detail: Schema.String,
  item: Schema.optionalKey(Schema.Int)
}) {
  override get message() {
    return this.item === undefined ? this.detail : `item ${this.item}: ${this.detail}`
  }
}

export class InternalError extends Schema.TaggedError<InternalError>()("InternalError", {}) {
  override get message() {
    return "the server failed on this request; its log has the cause under this request id"
  }
}

export class ModelFailed extends Schema.TaggedError<ModelFailed>()("ModelFailed", { model, version }) {
  override get message() {
    return `model "${this.model}" version "${this.version}" failed while computing this input`
  }
}

export class InstanceLost extends Schema.TaggedError<InstanceLost>()("InstanceLost", { model, version, retryAfterMs }) {
  override get message() {
    return `the instance of model "${this.model}" that computed this request ended and is being replaced: send it again`
  }
}

export class ModelNotReady extends Schema.TaggedError<ModelNotReady>()("ModelNotReady", {
  model,
  version,
  state: Schema.String,
  retryAfterMs
}) {
  override get message() {
    return `model "${this.model}" version "${this.version}" is ${this.state}: try again later, or ask for another version`
  }
}

export class Overloaded extends Schema.TaggedError<Overloaded>()("Overloaded", { model, version, retryAfterMs }) {
  override get message() {
    return `model "${this.model}" version "${this.version}" has more requests waiting than it could answer in time: ` +
      "try again after the time given"
  }
}

export class CircuitOpen extends Schema.TaggedError<CircuitOpen>()("CircuitOpen", { model, version, retryAfterMs }) {
  override get message() {
    return `model "${this.model}" version "${this.version}" failed repeatedly and is not called for now`
  }
}

export class ServerDraining extends Schema.TaggedError<ServerDraining>()("ServerDraining", { retryAfterMs }) {
  override get message() {
    return "this server is shutting down: send the request to another one"
  }
}

export class DeadlineExceeded extends Schema.TaggedError<DeadlineExceeded>()("DeadlineExceeded", {
  timeoutMs: Schema.Finite
}) {
  override get message() {
    return `no answer within ${this.timeoutMs} ms: allow more time, or send fewer items`
  }
}

export class CacheUnavailable extends Schema.TaggedError<CacheUnavailable>()("CacheUnavailable", { retryAfterMs }) {
  override get message() {
    return "the cache's store does not answer or refuses, so what it keeps may still be given: clear again when it is back"
  }
}

/** A registry that cannot be served as it stands; nothing was changed. One sentence for each mistake. */
export class RegistryInvalid extends Schema.TaggedError<RegistryInvalid>()("RegistryInvalid", {
  mistakes: Schema.Array(Schema.String)
}) {
  override get message() {
    return `nothing was changed: ${this.mistakes.join("; ")}`
  }
}

/** Somebody else changed it since the caller read it. */
export class RevisionConflict extends Schema.TaggedError<RevisionConflict>()("RevisionConflict", {
  current: Schema.String
}) {
  override get message() {
    return `it was changed meanwhile: read it again, and send If-Match: ${this.current}`
  }
}

/** A change that cannot be made as things stand. `detail` says why, and what would help. */
export class ChangeRefused extends Schema.TaggedError<ChangeRefused>()("ChangeRefused", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** Of a server of several processes: some have not done what this one has. `processes` are their numbers, from 1. */
export class ChangeIncomplete extends Schema.TaggedError<ChangeIncomplete>()("ChangeIncomplete", {
  processes: Schema.Array(Schema.Int),
  retryAfterMs
}) {
  override get message() {
    return `it is done, but not known to be in process ${this.processes.join(", ")} of this server: send it again`
  }
}

/** Any error that a surface may show to its caller. */
export const SluiceError = Schema.Union([
  MalformedRequest,
  Unauthenticated,
  Forbidden,
  RateLimited,
  LimitsUnavailable,
  ModelNotFound,
  VersionNotFound,
  VersionRetired,
  RouteNotFound,
  OriginRefused,
  MethodNotAllowed,
  PayloadTooLarge,
  UnsupportedMediaType,
  InvalidInput,
  InternalError,
  ModelFailed,
  InstanceLost,
  ModelNotReady,
  Overloaded,
  CircuitOpen,
  ServerDraining,
  DeadlineExceeded,
  CacheUnavailable,
  RegistryInvalid,
  RevisionConflict,
  ChangeRefused,
  ChangeIncomplete
])
export type SluiceError = typeof SluiceError.Type

/** What the pipeline itself may answer, whatever the surface. */
export const InferenceError = Schema.Union([
  ModelNotFound,
  VersionNotFound,
  VersionRetired,
  MalformedRequest,
  InvalidInput,
  InternalError,
  ModelFailed,
  InstanceLost,
  ModelNotReady,
  Overloaded,
  CircuitOpen,
  ServerDraining,
  DeadlineExceeded
])
export type InferenceError = typeof InferenceError.Type

/** What a call to a model may answer: the pipeline, or who guards it. */
export const CallError = Schema.Union([...InferenceError.members, Forbidden, RateLimited, LimitsUnavailable])
export type CallError = typeof CallError.Type
