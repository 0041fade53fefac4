/**
 * What is known of one HTTP request from its first byte: its id, and when it came.
 */
import { isRequestId } from "@sluice/domain/Ids"
import * as Context from "effect/Context"
import { randomUUID } from "node:crypto"

export interface RequestInfo {
  readonly requestId: string
  /** Monotonic, in milliseconds. */
  readonly startedMs: number
  /** The path as it was asked, without the query. */
  readonly path: string
}

/** Set by the edge for every request. */
export const RequestContext = Context.Reference<RequestInfo>("sluice/server/RequestContext", {
  defaultValue: () => ({ requestId: "none", startedMs: 0, path: "/" })
})

type Headers = Readonly<Record<string, string | undefined>>

/** The caller's id where it is a valid one, else a new UUID. */
export const requestIdOf = (headers: Headers): string => {
  const given = headers["x-request-id"] ?? headers["x-correlation-id"]
  return given !== undefined && isRequestId(given) ? given : randomUUID()
}
