/**
 * How the audit log names who made a change over HTTP.
 */
import * as Effect from "effect/Effect"
import { CurrentPrincipal } from "../access/Principal.ts"
import { RequestContext } from "./RequestContext.ts"

export interface Caller {
  readonly by: string
  readonly requestId: string
}

/** By the key's id, never by the key. */
export const currentCaller: Effect.Effect<Caller> = Effect.gen(function*() {
  const { id } = yield* CurrentPrincipal
  const { requestId } = yield* RequestContext
  return { by: `http:${id}`, requestId }
})
