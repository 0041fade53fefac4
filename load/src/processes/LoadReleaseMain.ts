/**
 * A process of its own that loads a model, runs a batch and releases it, again and again, through one ModelHost:
 * `node --expose-gc LoadReleaseMain.ts process|thread TIMES MODEL_FILE`. After each time it prints its resident memory, and
 * that of what it started, in MiB.
 */
import type { RunError } from "@sluice/core/execution/HostedModel"
import { ModelHost } from "@sluice/core/execution/ModelHost"
import { planThreads } from "@sluice/core/execution/ThreadPlan"
import { WorkerPool } from "@sluice/core/execution/WorkerPool"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import { zeroRow } from "@sluice/plugin-sdk/TensorRows"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { residentMiB } from "./ProcessTree.ts"

const [isolation, times, path = ""] = process.argv.slice(2)
const plan = planThreads({
  cores: 1,
  serving: undefined,
  instances: 1,
  threads: 1,
  isolation: isolation === "process" ? "process" : "thread"
})

const cycle = Effect.gen(function*() {
  const host = yield* ModelHost
  const hosted = yield* host.open(
    {
      pluginUrl: import.meta.resolve("@sluice/plugin-onnx"),
      model: "cycled",
      version: "v1",
      path,
      device: "cpu",
      precision: "fp32",
      threads: 1,
      options: {}
    },
    plan,
    { runTimeoutMs: 60_000 }
  )
  yield* Effect.callback<void, RunError>((resume) =>
    hosted.instances()[0]?.run(
      zeroRow(hosted.signature),
      Result.match({ onSuccess: () => resume(Effect.void), onFailure: (error) => resume(Effect.fail(error)) })
    )
  )
}).pipe(Effect.scoped)

const hostLayer = ModelHost.layer.pipe(
  Layer.provide(WorkerPool.layer()),
  Layer.provide(Metrics.layer({ enabled: false }))
)

await Effect.gen(function*() {
  for (let i = 0; i < Number(times); i++) {
    yield* cycle
    globalThis.gc?.()
    yield* Effect.sync(() => process.stdout.write(`${residentMiB(process.pid)}\n`))
  }
}).pipe(Effect.provide(hostLayer), Effect.runPromise)
