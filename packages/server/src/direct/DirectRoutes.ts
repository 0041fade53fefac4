/**
 * The inference calls that are answered below Effect's HTTP, which costs more than a small model: on Node's own request
 * and response, by the same readers, calls and answers. What is unusual in a request leaves it to Effect's way, which
 * answers the same, only later; so do all requests where spans are made.
 */
import { monotonicReader } from "@sluice/core/Monotonic"
import { Roster } from "@sluice/core/Roster"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AccessControl } from "../access/AccessControl.ts"
import { GuardedInference } from "../access/GuardedInference.ts"
import { mayDo } from "../access/Principal.ts"
import type { CallHeaders } from "../calls/CallContext.ts"
import { DirectRequests } from "../http/HttpListener.ts"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"
import { type DirectServices, startExchange } from "./DirectExchange.ts"
import { directRoute, isPlain } from "./DirectMatch.ts"

export interface DirectRoutesOptions {
  /** Before the platform's own predict call. */
  readonly apiPrefix: string
  readonly maxBodyBytes: number
}

export const directRoutes = ({ apiPrefix, maxBodyBytes }: DirectRoutesOptions) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const access = yield* AccessControl
    const { closing } = yield* Lifecycle
    const { start } = yield* GuardedInference
    const services: DirectServices = {
      start,
      closing,
      now: yield* monotonicReader,
      log: Effect.runForkWith(yield* Effect.context()),
      live: new Roster()
    }
    const routeOf = directRoute(apiPrefix)
    // Requests in flight have had their time when this scope closes; nothing must wait for them any longer.
    yield* Effect.addFinalizer(() => Effect.sync(() => services.live.clear().forEach(({ end }) => end())))
    yield* (yield* DirectRequests).offerTo((request, response) => {
      if (request.method !== "POST") return false
      const prepare = routeOf(request.url ?? "")
      if (prepare === undefined) return false
      // Node gives one text for each header but Set-Cookie, which nobody reads here.
      const headers = request.headers as CallHeaders
      if (!isPlain(headers, maxBodyBytes)) return false
      const caller = access.known(headers)
      if (caller === undefined || !mayDo(caller, "predict")) return false
      startExchange(services, request, response, headers, caller, prepare)
      return true
    })
  }))
