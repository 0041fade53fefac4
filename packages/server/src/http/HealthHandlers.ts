/**
 * Handlers of the health routes.
 */
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"
import { json } from "./Answer.ts"

/** Answers even when nothing is loaded. */
export const health = Effect.gen(function*() {
  const versions = yield* (yield* ModelRegistry).list
  return {
    status: "active" as const,
    active_models: versions.filter((version) => version.state === "ready").map((version) => version.model_id)
  }
})

/** 503 while it is not ready, with each part of it. */
export const readinessAnswer = ({ readiness }: Lifecycle["Service"]) =>
  Effect.map(readiness, (readiness) => json(readiness, {}, readiness.ready ? 200 : 503))

export const healthHandlers = (api: SluiceApi) =>
  HttpApiBuilder.group(
    api,
    "health",
    Effect.fnUntraced(function*(handlers) {
      const registry = yield* ModelRegistry
      const readiness = readinessAnswer(yield* Lifecycle)
      return handlers
        .handle("health", () => Effect.provideService(health, ModelRegistry, registry))
        .handle("readiness", () => readiness)
        .handle("readyz", () => readiness)
        .handle("livez", () => Effect.succeed({ status: "live" as const }))
    })
  )
