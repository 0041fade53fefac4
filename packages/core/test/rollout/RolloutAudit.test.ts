import { assert, it } from "@effect/vitest"
import { AuditLog } from "@sluice/core/registry/AuditLog"
import { rolloutAudit } from "@sluice/core/rollout/RolloutAudit"
import { Rollouts } from "@sluice/core/rollout/Rollouts"
import { layerMemory } from "@sluice/core/rollout/RolloutStoreMemory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import { registryOf } from "../registry/Registries.ts"

const { models } = registryOf({
  m: {
    default_version: "v1",
    versions: { v1: { path: "x" }, v2: { path: "y" } },
    rollout_strategy: {
      type: "canary",
      canary_percentage: 50,
      target_version: "v2",
      analysis: { max_error_rate: 0.01, min_requests: 100, interval: 30 }
    }
  }
})

const services = rolloutAudit.pipe(
  Layer.provideMerge(Rollouts.layer),
  Layer.provideMerge(layerMemory),
  Layer.provideMerge(AuditLog.layer(undefined))
)

it.effect("the controller's decisions are in the audit log with their reason, an operator's are left to who asked", () =>
  Effect.gen(function*() {
    const rollouts = yield* Rollouts
    const audit = yield* AuditLog
    yield* rollouts.configure(models)
    yield* rollouts.act("m", { action: "set_percentage", percentage: 60 }, "http:anonymous", undefined)
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(yield* audit.last(10), [])

    for (let i = 0; i < 1000; i++) {
      rollouts.monitor("m")?.record("default", 1, false)
      rollouts.monitor("m")?.record("target", 1, i % 2 === 0)
    }
    yield* TestClock.adjust("60 seconds")
    const [entry, ...others] = yield* audit.last(10)
    assert.deepStrictEqual(others, [])
    assert.deepInclude(entry, { by: "controller", action: "rollout.roll_back", model: "m", outcome: "applied" })
    const { revision } = yield* rollouts.status("m")
    assert.deepStrictEqual(entry?.change, { target_version: "v2", percentage: 0, revision })
  }).pipe(Effect.provide([services, Logger.layer([])])))
