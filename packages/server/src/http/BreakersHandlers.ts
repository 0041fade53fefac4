/**
 * Handlers of the breakers group: the circuits of this process, whose changes the others share where there is Redis.
 */
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { AuditLog } from "@sluice/core/registry/AuditLog"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { CircuitBreaker } from "@sluice/core/resilience/CircuitBreaker"
import type { BreakerStatus } from "@sluice/domain/BreakerStatus"
import { ModelNotFound, VersionNotFound } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { answering, json } from "./Answer.ts"
import { currentCaller } from "./Caller.ts"

const keyForm = /^model:([^@:]+)@([^@:]+)$/

export const breakersHandlers = (api: SluiceApi) =>
  HttpApiBuilder.group(
    api,
    "breakers",
    Effect.fnUntraced(function*(handlers) {
      const audit = yield* AuditLog
      const registry = yield* ModelRegistry
      const breaker = yield* CircuitBreaker

      const statusOf = (model: string, version: string): BreakerStatus => {
        const { failureRate, failures, key, openedAtMs, retryAfterMs, state, transitions } = breaker.status(
          model,
          version
        )
        return {
          key,
          kind: "model",
          model,
          version,
          state,
          policy: breaker.rulesOf(registry.entry(model)?.breaker).policy,
          failures,
          failure_rate: failureRate,
          ...(openedAtMs === undefined ? {} : { opened_at: new Date(openedAtMs).toISOString() }),
          retry_after_ms: retryAfterMs,
          transitions
        }
      }

      const list = Effect.map(registry.list, (versions) =>
        json({ breakers: versions.map(({ name, version }) => statusOf(name, version)) }))

      const reset = Effect.fnUntraced(function*(key: string) {
        const [, model, version] = keyForm.exec(key) ?? []
        if (model === undefined || version === undefined) {
          return yield* new ModelNotFound({ model: key.slice(0, 200) })
        }
        const known = yield* registry.versions(model)
        if (!known.includes(version)) {
          return yield* new VersionNotFound({ model, version })
        }
        const before = breaker.status(model, version).state
        breaker.reset(model, version)
        const { by, requestId } = yield* currentCaller
        yield* audit.record({
          by,
          action: "breaker.reset",
          model,
          detail: `of version ${version}, which was ${before.replace("_", " ")}`,
          outcome: "applied",
          request_id: requestId
        })
        return json(statusOf(model, version))
      })

      return handlers
        .handle("list", () =>
          list)
        .handle("reset", ({ params }) => answering(reset(params.key)))
    })
  )
