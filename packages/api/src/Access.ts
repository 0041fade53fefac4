/**
 * Who needs a key where: the routes that are open, the role that each of the others asks for, and the headers that carry
 * a key.
 */
import type { Role } from "@sluice/domain/Role"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"

/** Whom a route or a call answers. */
export interface AccessRule {
  /** Any one of them is enough, and `admin` always is. */
  readonly roles: ReadonlyArray<Role>
  /**
   * What of it a key with a list of models gets. `own`: what it answers is of the key's own models. `named`: the model in the
   * path must be one of them, any other is unknown. `whole`: nothing, for it is about all models.
   */
  readonly models: "own" | "named" | "whole"
}

const predict: AccessRule = { roles: ["predict"], models: "own" }
const see: AccessRule = { roles: ["predict", "read"], models: "own" }
const seeNamed: AccessRule = { ...see, models: "named" }
const readWhole: AccessRule = { roles: ["read"], models: "whole" }
const changeNamed: AccessRule = { roles: ["admin"], models: "named" }

/** What holds where nothing is said. */
export const changeWhole: AccessRule = { roles: ["admin"], models: "whole" }

type Endpoints = Readonly<Record<string, AccessRule | "open">>

/** Every route of the API by its group and endpoint. One that is not here asks for `admin`. */
export const routeRules: Readonly<Record<string, Endpoints>> = {
  health: { health: "open", readiness: "open", readyz: "open", livez: "open" },
  predict: {
    predict,
    inferencePredict: predict,
    warmup: changeWhole,
    cacheStats: readWhole,
    cacheClear: changeWhole,
    inferenceHealth: see
  },
  models: { list: see },
  rootModels: { list: see },
  registry: { current: readWhole, replace: changeWhole, status: readWhole, audit: changeWhole },
  breakers: { list: readWhole, reset: changeWhole },
  rollouts: { status: { roles: ["read"], models: "named" }, act: changeNamed },
  oip: {
    server: see,
    live: "open",
    ready: "open",
    metadata: seeNamed,
    versionMetadata: seeNamed,
    modelReady: seeNamed,
    versionReady: seeNamed,
    infer: predict,
    versionInfer: predict
  },
  oipRepository: { index: see, load: changeNamed, unload: changeNamed },
  openai: { embeddings: predict, models: see, model: seeNamed }
}

/** Every call of the RPC surface that takes a key. */
export const rpcRules: Endpoints = { Predict: predict, Models: see }

const ruleIn = (rules: Endpoints | undefined, name: string): AccessRule | "open" =>
  rules !== undefined && Object.hasOwn(rules, name) ? rules[name] ?? changeWhole : changeWhole

export const routeRule = (group: string, endpoint: string): AccessRule | "open" =>
  ruleIn(Object.hasOwn(routeRules, group) ? routeRules[group] : undefined, endpoint)

export const rpcRule = (name: string): AccessRule | "open" => ruleIn(rpcRules, name)

/** Holds each route to its rule, once its key has been checked. */
export class RouteAccess extends HttpApiMiddleware.Service<RouteAccess>()("sluice/api/RouteAccess") {}

/** What probes and scrapers ask, and the documents: answered without a key. */
export const openPaths: ReadonlySet<string> = new Set([
  "/health",
  "/livez",
  "/readyz",
  "/readiness",
  "/metrics",
  "/docs",
  "/redoc",
  "/redoc.standalone.js",
  "/openapi.json",
  "/v2/health/live",
  "/v2/health/ready"
])

const securitySchemes = {
  bearer: { type: "http", scheme: "bearer" },
  token: { type: "apiKey", in: "header", name: "X-Token" },
  apiKey: { type: "apiKey", in: "header", name: "X-API-Key" }
}

/** One of them, or none where the server has no key. */
const security = [{}, ...Object.keys(securitySchemes).map((name) => ({ [name]: [] }))]

interface Description {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, object>>>>
  readonly components?: object
}

/** An OpenAPI description that also says which routes take a key, so that its pages can send one. */
export const describeAccess = (description: Description): Record<string, unknown> => ({
  ...description,
  components: { ...description.components, securitySchemes },
  paths: Object.fromEntries(
    Object.entries(description.paths ?? {}).map(([path, operations]) => [
      path,
      Object.fromEntries(
        Object.entries(operations).map(([method, operation]) => [
          method,
          { ...operation, security: openPaths.has(path) ? [] : security }
        ])
      )
    ])
  )
})
