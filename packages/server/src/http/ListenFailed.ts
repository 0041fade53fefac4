/**
 * The sentence for when an address cannot be listened on.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as HttpServerError from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"

/** The address cannot be listened on. */
export class ListenFailed
  extends Data.TaggedError("ListenFailed")<{ readonly reason: string; readonly cause: unknown }>
{
  override get message() {
    return this.reason
  }
}

export interface ListenAddress {
  readonly host: string
  readonly port: number
  /** What the operator sets to have another port. */
  readonly portVariable: "PORT" | "METRICS_PORT"
}

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "unknown"

const sentence = (error: HttpServerError.ServeError, { host, port, portVariable }: ListenAddress): string => {
  switch (codeOf(error.cause)) {
    case "EADDRINUSE":
      return `port ${port} on ${host} is in use: stop what listens there, or set ${portVariable}`
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `${host} is no address of this machine: set HOST`
    case "EACCES":
      return `port ${port} needs more rights than this process has: set ${portVariable} to 1024 or above`
    default:
      return `cannot listen on ${host}:${port}: ${String(error.cause)}`
  }
}

/** Fails with the sentence. */
export const explainListening =
  (address: ListenAddress) => <A, R>(listener: Layer.Layer<A, HttpServerError.ServeError, R>) =>
    Layer.catch(
      listener,
      (cause) => Layer.effectContext(Effect.fail(new ListenFailed({ reason: sentence(cause, address), cause })))
    )
