/**
 * Instances of a model that a test holds in its hand: what reaches them, when they answer and when they die.
 */
import type { HostedModel, Instance } from "@sluice/core/execution/HostedModel"
import { type InstanceLost, ModelFailed } from "@sluice/domain/Errors"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"

export const names = { model: "doubling", version: "v1" }

export const failure = new ModelFailed(names)

/** y = 2x, for rows of whole numbers in any width. */
export const signature: ModelSignature = {
  inputs: [{ name: "x", datatype: "INT32", shape: [-1, -1] }],
  outputs: [{ name: "y", datatype: "INT32", shape: [-1, -1] }],
  batchable: true
}

export const tensor = (values: ReadonlyArray<number>, width = 1) => ({
  datatype: "INT32" as const,
  shape: [values.length / width, width],
  data: Int32Array.from(values)
})

/** One row of these values. */
export const rowInputs = (...values: ReadonlyArray<number>): TensorMap => ({ x: tensor(values, values.length) })

export const valuesOf = (tensors: TensorMap, name: string): ReadonlyArray<number> =>
  Array.from<string | number | bigint, number>(tensors[name]?.data ?? [], Number)

export const doubled = (inputs: TensorMap): TensorMap => {
  const width = inputs["x"]?.shape[1] ?? 1
  return { y: tensor(valuesOf(inputs, "x").map((value) => 2 * value), width) }
}

export type Answer = (inputs: TensorMap) => Effect.Effect<TensorMap, ModelFailed | InstanceLost>

export interface Instances {
  readonly hosted: HostedModel
  /** The values of each batch that an instance was given, in order. */
  readonly batches: ReadonlyArray<ReadonlyArray<number>>
  /** How many batches run now on each instance. */
  readonly running: ReadonlyArray<number>
  readonly kill: (instance: number) => void
  /** Starts one more. */
  readonly add: Effect.Effect<void>
}

/** So many instances that all answer alike. Like a worker, an instance takes the buffers of its inputs away. */
export const makeInstances = Effect.fnUntraced(function*(
  count: number,
  answer: Answer = (inputs) => Effect.succeed(doubled(inputs)),
  of: ModelSignature = signature,
  computeMs = 1
) {
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const batches: Array<ReadonlyArray<number>> = []
  const running: Array<number> = []
  const living: Array<Instance & { readonly id: number }> = []
  let changed = (): void => undefined
  const add = Effect.gen(function*() {
    const id = running.push(0) - 1
    const oneAtATime = yield* Semaphore.make(1)
    const instance = {
      id,
      inline: false,
      alive: () => living.includes(instance),
      run: (given: TensorMap, settle: Parameters<Instance["run"]>[1]) => {
        const buffers = Object.values(given).flatMap(({ data }) => ArrayBuffer.isView(data) ? [data.buffer] : [])
        const inputs = structuredClone(given, { transfer: buffers })
        batches.push(valuesOf(inputs, "x"))
        const answered = Effect.suspend(() => {
          running[id] = (running[id] ?? 0) + 1
          return answer(inputs)
        }).pipe(
          Effect.map((outputs) => ({ outputs, computeMs })),
          Effect.ensuring(Effect.sync(() => {
            running[id] = (running[id] ?? 0) - 1
          })),
          Semaphore.withPermits(oneAtATime, 1),
          Effect.result
        )
        runFork(Effect.andThen(Effect.yieldNow, answered)).addObserver((exit) =>
          settle(Exit.isSuccess(exit) ? exit.value : Result.fail(failure))
        )
      }
    }
    living.push(instance)
    changed()
  })
  for (let i = 0; i < count; i++) yield* add
  const instances: Instances = {
    hosted: {
      signature: of,
      instances: () => living,
      onChange: (listener) => {
        changed = listener
      }
    },
    batches,
    running,
    kill: (id) => {
      living.splice(living.findIndex((instance) => instance.id === id), 1)
      changed()
    },
    add
  }
  return instances
})

/** Answers that wait until the test opens the gate, or tells them to fail. */
export const makeGate = Effect.gen(function*() {
  const gate = yield* Deferred.make<void, ModelFailed | InstanceLost>()
  const answer: Answer = (inputs) => Effect.as(Deferred.await(gate), doubled(inputs))
  return {
    answer,
    open: Deferred.succeed(gate, undefined),
    fail: (error: ModelFailed | InstanceLost) => Deferred.fail(gate, error)
  }
})
