/**
 * Prometheus' page at `/metrics`. What a caller may is checked here, since the path may be written in many ways.
 */
import { Metrics } from "@sluice/core/telemetry/Metrics"
import { Forbidden } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { CurrentPrincipal, mayDo } from "../access/Principal.ts"
import { errorResponse } from "./Answer.ts"
import { RequestContext } from "./RequestContext.ts"

const page = Effect.gen(function*() {
  const { body, contentType } = yield* Effect.orDie((yield* Metrics).render)
  return HttpServerResponse.text(body, { contentType })
})

/** For callers with the role `read`. */
const guardedPage = Effect.gen(function*() {
  if (mayDo(yield* CurrentPrincipal, "read")) return yield* page
  const { path, requestId } = yield* RequestContext
  return errorResponse(new Forbidden({ detail: "it has no role read" }), path, requestId)
})

/** `open`: for everybody, whatever key they bring. */
export const metricsRoute = ({ open }: { readonly open: boolean }) =>
  HttpRouter.use((router) =>
    Effect.gen(function*() {
      const metrics = yield* Metrics
      const answer = Effect.provideService(open ? page : guardedPage, Metrics, metrics)
      if (metrics.enabled) yield* router.add("GET", "/metrics", answer)
    })
  )
