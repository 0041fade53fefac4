/**
 * Holds each route to its rule. The router has found the route by then: no way to write a path gets around it.
 */
import { RouteAccess, routeRule } from "@sluice/api/Access"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { refusalOf } from "../access/AccessDecision.ts"
import { CurrentPrincipal } from "../access/Principal.ts"
import { errorResponse } from "./Answer.ts"
import { RequestContext } from "./RequestContext.ts"

export const routeGuard = Layer.succeed(
  RouteAccess,
  RouteAccess.of((answer, { endpoint, group }) => {
    const rule = routeRule(group.identifier, endpoint.identifier)
    if (rule === "open") return answer
    return Effect.gen(function*() {
      const { id, model } = yield* HttpRouter.params
      const refused = refusalOf(yield* CurrentPrincipal, rule, model ?? id)
      if (refused === undefined) return yield* answer
      const { path, requestId } = yield* RequestContext
      return errorResponse(refused, path, requestId)
    })
  })
)
