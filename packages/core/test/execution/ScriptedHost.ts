/**
 * A ModelHost over the scripted plugin, and what a test does with it.
 */
import { assert } from "@effect/vitest"
import type { HostedModel, Instance, RunError } from "@sluice/core/execution/HostedModel"
import { ModelHost, type OpenOptions } from "@sluice/core/execution/ModelHost"
import type { ThreadPlan } from "@sluice/core/execution/ThreadPlan"
import { WorkerPool } from "@sluice/core/execution/WorkerPool"
import type { LoadSpec } from "@sluice/core/execution/WorkerProtocol"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { Worker } from "node:worker_threads"
import { cells } from "../fixtures/ScriptedPlugin.ts"
import { turn } from "../LocalEngine.ts"

export const pluginUrl = new URL("../fixtures/ScriptedPlugin.ts", import.meta.url).href
export const alone: ThreadPlan = { instances: 1, threads: 1, isolation: "thread", shareWorker: false }
export const shared: ThreadPlan = { ...alone, shareWorker: true }

/** Every worker thread that this process has started. One that has ended has no thread id. */
export const workers: Array<Worker> = []
process.on("worker", (worker) => workers.push(worker))
export const living = () => workers.map((worker) => worker.threadId).filter((id) => id !== -1)

export const hostLayer = ModelHost.layer.pipe(
  Layer.provide(WorkerPool.layer()),
  Layer.provideMerge(Metrics.layer({ enabled: true }))
)

export const specOf = (options: object, plan: ThreadPlan, version: string): LoadSpec => ({
  pluginUrl,
  model: "scripted",
  version,
  path: import.meta.filename,
  device: "cpu",
  precision: "fp32",
  threads: plan.threads,
  options
})

/** Longer than any test. */
export const never = { runTimeoutMs: 3_600_000 }

export const open = Effect.fnUntraced(
  function*(options: object = {}, plan = alone, version = "v1", watched: OpenOptions = never) {
    const host = yield* ModelHost
    return yield* host.open(specOf(options, plan, version), plan, watched)
  }
)

export const tensors = (...values: ReadonlyArray<number>): TensorMap => ({
  x: { datatype: "FP32", shape: [values.length, 1], data: Float32Array.from(values) }
})

const numbers = (outputs: TensorMap) => Array.from<string | number | bigint, number>(outputs["y"]?.data ?? [], Number)

export const runTensors = (instance: Instance, inputs: TensorMap) =>
  Effect.callback<ReadonlyArray<number>, RunError>((resume) => {
    let returned = false
    instance.run(inputs, (result) => {
      assert.isTrue(returned, "nothing settles before run has returned")
      resume(Effect.fromResult(Result.map(result, ({ outputs }) => numbers(outputs))))
    })
    returned = true
  })

export const runOn = (instance: Instance, ...values: ReadonlyArray<number>) => runTensors(instance, tensors(...values))

/** Waits for so many instances that can be given work. */
export const instancesOf = (hosted: HostedModel, count: number): Effect.Effect<ReadonlyArray<Instance>> =>
  Effect.suspend(() =>
    hosted.instances().length >= count
      ? Effect.succeed(hosted.instances())
      : Effect.andThen(turn, instancesOf(hosted, count))
  )

export const instanceOf = (hosted: HostedModel) => Effect.map(instancesOf(hosted, 1), (instances) => instances[0]!)

/** Runs these numbers on the first instance there is. */
export const run = (hosted: HostedModel, ...values: ReadonlyArray<number>) =>
  Effect.flatMap(instanceOf(hosted), (instance) => runOn(instance, ...values))

/** Waits until a shared cell is no longer what it was. */
export const changed = (memory: Int32Array, cell: number, from: number) =>
  Effect.promise(async () => Atomics.waitAsync(memory, cell, from).value)

export const openGate = (memory: Int32Array) =>
  Effect.sync(() => {
    Atomics.store(memory, cells.gate, 1)
    Atomics.notify(memory, cells.gate)
  })
