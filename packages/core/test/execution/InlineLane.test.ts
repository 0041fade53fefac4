import { assert, describe, it } from "@effect/vitest"
import type { HostedModel, Instance, RunResult, Seed } from "@sluice/core/execution/HostedModel"
import { withInlineLane } from "@sluice/core/execution/InlineLane"
import { type Model, PluginError, type TensorMap } from "@sluice/plugin-sdk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"

const signature = {
  inputs: [{ name: "x", datatype: "FP32" as const, shape: [-1, 1] }],
  outputs: [{ name: "y", datatype: "FP32" as const, shape: [-1, 1] }],
  batchable: true
}

const tensors = (name: string, ...values: ReadonlyArray<number>): TensorMap => ({
  [name]: { datatype: "FP32", shape: [values.length, 1], data: Float32Array.from(values) }
})

const worker: Instance = { alive: () => true, inline: false, run: () => assert.fail("no batch is for the worker") }

interface Workers {
  readonly hosted: HostedModel
  /** Another worker takes the place of the one that was there. */
  readonly replace: () => void
}

/** A version in one worker that measured these runs. */
const inWorker = (...seeds: ReadonlyArray<Seed>): Workers => {
  let instances = [worker]
  let changed = (): void => {}
  return {
    hosted: {
      signature,
      seeds,
      instances: () => instances,
      onChange: (listener) => {
        changed = listener
      }
    },
    replace: () => {
      instances = [{ ...worker }]
      changed()
    }
  }
}

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const doubled = (inputs: TensorMap) =>
  tensors("y", ...Array.from<string | number | bigint, number>(inputs["x"]?.data ?? [], (x) => 2 * Number(x)))

/** Doubles in an immediate of its own, as onnxruntime computes. */
const deferred: Model["run"] = (inputs) => Effect.map(turn, () => doubled(inputs))

/** What the lane loads here, and what it tells. */
const laneOf = Effect.fnUntraced(function*(
  { hosted }: Workers,
  run: Model["run"] = deferred,
  load: Effect.Effect<void, PluginError, Scope.Scope> = Effect.void
) {
  const lanes: Array<boolean> = []
  let changes = 0
  const lane = yield* withInlineLane(hosted, {
    model: "tiny",
    version: "v1",
    boundMs: 0.1,
    quiet: Effect.void,
    load: Effect.as(load, { signature, run }),
    onLane: (isInline) => lanes.push(isInline)
  })
  lane.onChange(() => changes++)
  const settle = Effect.replicateEffect(turn, 5, { discard: true })
  yield* settle
  return { lane, lanes, settle, changes: () => changes }
})

const short: Seed = { cost: 1, ms: 0.05 }

/** Gives the version's only instance a batch. */
const runOn = (lane: HostedModel, ...values: ReadonlyArray<number>) =>
  Effect.callback<RunResult>((resume) => {
    lane.instances()[0]?.run(tensors("x", ...values), (result) => resume(Effect.succeed(result)))
  })

const numbers = (result: RunResult) =>
  Result.match(result, {
    onSuccess: ({ outputs }) => Array.from<string | number | bigint, number>(outputs["y"]?.data ?? [], Number),
    onFailure: (error) => error._tag
  })

const test = (name: string, body: () => Generator<Effect.Effect<unknown, unknown, Scope.Scope>, void, never>) =>
  it.effect(name, () => Effect.gen(body).pipe(Effect.scoped, Effect.provide(Logger.layer([]))))

describe("withInlineLane", () => {
  test("takes a model's batches to the event loop where a row is computed below the bound", function*() {
    const { changes, lane, lanes } = yield* laneOf(inWorker(short))
    assert.deepStrictEqual(lane.instances().map(({ inline }) => inline), [true])
    assert.deepStrictEqual(lanes, [true])
    assert.strictEqual(changes(), 1)
    assert.deepStrictEqual(numbers(yield* runOn(lane, 1, 2)), [2, 4])
  })

  test("leaves a model in its workers that takes as long as the bound, or was not measured", function*() {
    for (const workers of [inWorker({ cost: 1, ms: 0.1 }), inWorker()]) {
      const { lane } = yield* laneOf(workers)
      assert.deepStrictEqual(lane.instances(), [worker])
    }
  })

  it.effect("writes a few lines of a model that fails again and again, and then their count", () => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => {
      lines.push(String(message))
    })
    return Effect.gen(function*() {
      let isWarm = false
      const { lane } = yield* laneOf(inWorker(short), (inputs) => {
        if (isWarm) return Effect.fail(new PluginError({ reason: "odd" }))
        isWarm = true
        return Effect.succeed(doubled(inputs))
      })
      assert.isTrue(lane.instances()[0]?.inline)
      for (let i = 0; i < 50; i++) assert.strictEqual(numbers(yield* runOn(lane, 1)), "ModelFailed")
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(lines, 6)
      assert.match(lines[5] ?? "", /^45 more batches of tiny@v1 failed, the last one: .*odd/)
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
  })

  test("leaves a model in its workers that cannot be loaded here", function*() {
    const refusal = Effect.fail(new PluginError({ reason: "no room" }))
    const { lane, lanes } = yield* laneOf(inWorker(short), deferred, refusal)
    assert.deepStrictEqual(lane.instances(), [worker])
    assert.deepStrictEqual(lanes, [])
  })

  for (
    const [how, run] of [["later", deferred], ["at once", (x: TensorMap) => Effect.sync(() => doubled(x))]] as const
  ) {
    test(`never runs two batches of a model at the same time that computes ${how}, and keeps their order`, function*() {
      let running = 0
      let most = 0
      const counted: Model["run"] = (inputs) =>
        Effect.suspend(() => {
          most = Math.max(most, ++running)
          return Effect.ensuring(run(inputs), Effect.sync(() => running--))
        })
      const { lane } = yield* laneOf(inWorker(short), counted)
      const [instance] = lane.instances()
      const settled: Array<unknown> = []
      const hasReturned: Array<boolean> = []
      for (const value of [1, 2, 3]) {
        let returned = false
        instance?.run(tensors("x", value), (result) => {
          settled.push(numbers(result))
          hasReturned.push(returned)
        })
        returned = true
      }
      while (settled.length < 3) yield* turn
      assert.deepStrictEqual(settled, [[2], [4], [6]])
      assert.deepStrictEqual(hasReturned, [true, true, true])
      assert.strictEqual(most, 1)
    })
  }

  test("fails a batch that the model fails or throws on, and answers the next", function*() {
    const { lane } = yield* laneOf(inWorker(short), (inputs) => {
      const [first] = Array.from<string | number | bigint, number>(inputs["x"]?.data ?? [], Number)
      if (first === -1) throw new RangeError("too far")
      return first === -2 ? Effect.fail(new PluginError({ reason: "poisoned" })) : deferred(inputs)
    })
    assert.strictEqual(numbers(yield* runOn(lane, -1)), "ModelFailed")
    assert.strictEqual(numbers(yield* runOn(lane, -2)), "ModelFailed")
    assert.deepStrictEqual(numbers(yield* runOn(lane, 4)), [8])
  })

  test("gives a model back to its workers that has become slow, once, and releases it here", function*() {
    let released = 0
    const load = Effect.addFinalizer(() => Effect.sync(() => released++))
    const slow: Model["run"] = (inputs) => Effect.as(TestClock.adjust("20 millis"), doubled(inputs))
    const { changes, lane, lanes, settle } = yield* laneOf(inWorker(short), slow, load)
    const [instance] = lane.instances()
    let batches = 0
    while (lane.instances()[0] === instance && batches < 1000) {
      assert.deepStrictEqual(numbers(yield* runOn(lane, ++batches)), [2 * batches])
    }
    assert.deepStrictEqual(lane.instances(), [worker])
    assert.isFalse(instance?.alive())
    yield* settle
    assert.deepStrictEqual(lanes, [true, false])
    assert.strictEqual(changes(), 2)
    assert.strictEqual(released, 1)
  })

  test("does not tell of its workers' changes while the lane is open", function*() {
    const workers = inWorker(short)
    const { changes } = yield* laneOf(workers)
    workers.replace()
    assert.strictEqual(changes(), 1)
    const others = inWorker({ cost: 1, ms: 1 })
    const large = yield* laneOf(others)
    others.replace()
    assert.strictEqual(large.changes(), 1)
  })

  test("ends the batches that it has before the model is released", function*() {
    let released = false
    const scope = yield* Scope.make()
    const load = Effect.addFinalizer(() =>
      Effect.sync(() => {
        released = true
      })
    )
    const { lane } = yield* Scope.provide(
      laneOf(inWorker(short), (inputs) => Effect.map(deferred(inputs), (y) => released ? tensors("y", NaN) : y), load),
      scope
    )
    const [instance] = lane.instances()
    const settled: Array<unknown> = []
    for (const value of [1, 2]) instance?.run(tensors("x", value), (result) => settled.push(numbers(result)))
    yield* Scope.close(scope, Exit.void)
    assert.isTrue(released)
    assert.deepStrictEqual(settled, [[2], [4]])
    assert.isFalse(instance?.alive())
    assert.deepStrictEqual(lane.instances(), [worker])
    instance?.run(tensors("x", 3), (result) => settled.push(numbers(result)))
    yield* turn
    assert.strictEqual(settled[2], "InstanceLost")
  })
})
