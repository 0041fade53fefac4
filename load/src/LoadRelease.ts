/**
 * Loads a model, runs a batch and releases it, again and again, and prints this process's resident memory:
 * `node --expose-gc load/src/LoadRelease.ts [process|thread] [TIMES] [MODEL_FILE]`.
 */
import type { RunError } from "@sluice/core/execution/HostedModel"
import { ModelHost } from "@sluice/core/execution/ModelHost"
import { type Isolation, planThreads } from "@sluice/core/execution/ThreadPlan"
import { WorkerPool } from "@sluice/core/execution/WorkerPool"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import { zeroRow } from "@sluice/plugin-sdk/TensorRows"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { fileURLToPath } from "node:url"

const [isolation = "process", times = "100", file = "../../config/models/sentiment_v2/model.onnx"] = process.argv.slice(
  2
)
const path = fileURLToPath(new URL(file, import.meta.url))
const plan = planThreads({
  cores: 1,
  serving: undefined,
  instances: 1,
  threads: 1,
  isolation: isolation as Isolation
})

const residentMiB = (): number => {
  globalThis.gc?.()
  return process.memoryUsage.rss() / 2 ** 20
}

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
  const samples: Array<number> = []
  for (let i = 1; i <= Number(times); i++) {
    yield* cycle
    samples.push(residentMiB())
    if (i % 10 === 0) console.log(`${isolation}: after ${i} times ${samples.at(-1)?.toFixed(1)} MiB`)
  }
  const middle = (of: ReadonlyArray<number>) => [...of].sort((a, b) => a - b)[Math.floor(of.length / 2)] ?? NaN
  const [early, late] = [middle(samples.slice(5, 15)), middle(samples.slice(-10))]
  console.log(
    `${isolation}: ${early.toFixed(1)} MiB early, ${late.toFixed(1)} MiB late: ${
      (100 * (late / early - 1)).toFixed(1)
    } %`
  )
}).pipe(Effect.provide(hostLayer), Effect.runPromise)
