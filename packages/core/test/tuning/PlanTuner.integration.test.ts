import { assert, describe, it } from "@effect/vitest"
import { ModelHost } from "@sluice/core/execution/ModelHost"
import { WorkerPool } from "@sluice/core/execution/WorkerPool"
import { PluginCatalogue } from "@sluice/core/registry/PluginCatalogue"
import { planVersion } from "@sluice/core/registry/VersionPlan"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import { CpuCounter } from "@sluice/core/tuning/MachineLoad"
import { PlanTuner } from "@sluice/core/tuning/PlanTuner"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { scripted } from "../LocalEngine.ts"
import { registryOf } from "../registry/Registries.ts"

const cores = 2
const fixtures = join(import.meta.dirname, "../fixtures")

/** Where a tuner keeps its tables, and how the machine seems to it; `others` is the share that other programs use. */
const tunerIn = (directory: string, others = 0) => {
  let counts = 0
  const count = Effect.sync(() => ({ total: ++counts * 1000, busy: counts * 1000 * others, own: 0 }))
  return Layer.mergeAll(
    PlanTuner.layer({ cores, directory }).pipe(
      Layer.provide(ModelHost.layer),
      Layer.provide(WorkerPool.layer()),
      Layer.provide(Metrics.layer({ enabled: false }))
    ),
    Layer.succeed(CpuCounter, count),
    PluginCatalogue.layer(["./ScriptedPlugin.ts"], fixtures)
  )
}

const temporary = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "sluice-tuner-"))),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true }))
)

/** A version as it is planned, and as it is settled; and how often it was measured for that. */
const settled = (directory: string, entry: object, others?: number) =>
  Effect.gen(function*() {
    const version = { ...scripted, ...entry }
    const registry = registryOf(
      { m: { default_version: "v1", versions: { v1: version } } },
      join(fixtures, "registry.yaml")
    )
    const [model] = registry.models
    const [first] = model?.versions ?? []
    if (first === undefined) return yield* Effect.die("the registry has a version")
    const planned = yield* planVersion(first, {
      cores,
      inlineBoundMs: 0,
      device: "cpu",
      precision: undefined,
      maxBatchSize: undefined,
      maxBatchCost: undefined,
      window: Duration.zero,
      queueCapacity: 10,
      timeoutMs: 1000,
      runTimeout: Duration.seconds(30)
    }, yield* PluginCatalogue)
    let measurements = 0
    const plan = yield* (yield* PlanTuner).settle(planned, Effect.sync(() => void measurements++))
    return { planned, plan, measurements }
  }).pipe(Effect.provide(tunerIn(directory, others)), Effect.provide(Logger.layer([])))

const kept = (directory: string): number => {
  const folder = join(directory, "plans")
  return Fs.existsSync(folder) ? Fs.readdirSync(folder).length : 0
}

describe("PlanTuner", () => {
  it.live(
    "measures a version that asks for it when all is quiet, and goes by that from then on",
    () =>
      Effect.gen(function*() {
        const directory = yield* temporary
        const first = yield* settled(directory, { optimize_for: "throughput" })
        assert.strictEqual(first.measurements, 1)
        assert.strictEqual(kept(directory), 1)
        const { instances, threads } = first.plan.threads
        assert.include([[2, 1], [1, 2]].map(String), String([instances, threads]))
        assert.strictEqual(first.plan.spec.threads, threads)
        assert.strictEqual(first.plan.context.threads, threads)

        const second = yield* settled(directory, { optimize_for: "throughput" })
        assert.strictEqual(second.measurements, 0)
        assert.deepStrictEqual(second.plan.threads, first.plan.threads)
        assert.strictEqual(second.plan.maxBatchSize, first.plan.maxBatchSize)

        const unasked = yield* settled(directory, {})
        assert.deepStrictEqual([unasked.measurements, unasked.plan.maxBatchSize], [0, first.plan.maxBatchSize])
        const limited = yield* settled(directory, { batching: { max_batch_size: 7 } })
        assert.deepStrictEqual([limited.measurements, limited.plan.maxBatchSize], [0, 7])
      }).pipe(Effect.scoped),
    60_000
  )

  it.live.each<readonly [string, object, number]>([
    ["that asks for nothing", {}, 0],
    [
      "of which all is fixed",
      { optimize_for: "latency", instances: 1, threads: 1, batching: { max_batch_size: 2 } },
      0
    ],
    ["that cannot be loaded", { optimize_for: "latency", options: { load: "fail" } }, 0],
    ["that was measured on a busy machine", { optimize_for: "latency", instances: 1, threads: 1 }, 0.5]
  ])("leaves a version as it is planned %s, and keeps nothing", ([, entry, others]) =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const { plan, planned } = yield* settled(directory, entry, others)
      assert.deepStrictEqual(plan, planned)
      assert.strictEqual(kept(directory), 0)
    }).pipe(Effect.scoped), 60_000)
})
