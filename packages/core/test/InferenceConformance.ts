/**
 * What every Inference does, whether it serves the models itself or asks others that do.
 */
import { assert, layer as shareLayer } from "@effect/vitest"
import { Inference } from "@sluice/core/Inference"
import type { InferRequest, InferResult } from "@sluice/core/InferRequest"
import type { InferenceError } from "@sluice/domain/Errors"
import type { Item } from "@sluice/domain/Item"
import type { Datatype, TensorData, TensorMap } from "@sluice/domain/Tensor"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { cells, orders, sharedCells } from "./fixtures/ScriptedPlugin.ts"
import { letters, registryWith, scripted, sharing } from "./LocalEngine.ts"

/** The cells of the models below. */
export const conformanceCells = sharedCells()

const registry = registryWith({
  numbers: {
    default_version: "v1",
    versions: {
      v1: scripted,
      v2: { ...scripted, options: { factor: 3 }, status: "candidate" },
      v0: { ...scripted, status: "retired" }
    }
  },
  letters: { default_version: "v1", versions: { v1: letters } },
  uncached: { default_version: "v1", versions: { v1: { ...scripted, cache: false } } },
  hasty: { default_version: "v1", versions: { v1: { ...scripted, timeout_ms: 200 } } },
  narrow: { default_version: "v1", versions: { v1: { ...scripted, batching: { queue_capacity: 1 } } } },
  fragile: { default_version: "v1", versions: { v1: scripted, v2: scripted } },
  waiting: { default_version: "v1", versions: { v1: { ...scripted, options: { load: "wait" } } } },
  broken: { default_version: "v1", versions: { v1: { ...scripted, options: { load: "fail" } } } }
}, conformanceCells)

/** What the implementation under test has to serve. The gate that `waiting` waits for is opened by no one. */
export const conformanceRegistry = {
  ...registry,
  models: registry.models.map((model) => model.name === "waiting" ? sharing(model, sharedCells()) : model)
}

const items = (...values: ReadonlyArray<number>): ReadonlyArray<Item> =>
  values.map((value) => ({ _tag: "Features", values: [value] }))

const texts = (...values: ReadonlyArray<string>): ReadonlyArray<Item> => values.map((text) => ({ _tag: "Text", text }))

const request = (input: ReadonlyArray<Item> | TensorMap, rest: Partial<InferRequest> = {}): InferRequest => ({
  model: "numbers",
  version: undefined,
  routingKey: "caller",
  input: Array.isArray(input) ? { _tag: "Items", items: input } : { _tag: "Tensors", tensors: input as TensorMap },
  cache: "bypass",
  priority: "normal",
  timeoutMs: undefined,
  ...rest
})

const tensor = (datatype: Datatype, shape: ReadonlyArray<number>, data: TensorData) => ({ datatype, shape, data })

const infer = (input: ReadonlyArray<Item> | TensorMap, rest: Partial<InferRequest> = {}) =>
  Effect.flatMap(Inference, (inference) => inference.infer(request(input, rest)))

/** Each item's answer in short: its prediction or its output's values, or its error's tag. */
const short = (result: InferResult) =>
  result.items.map((item) => {
    if (Result.isFailure(item)) return item.failure._tag
    const { outputs, prediction } = item.success
    const values = Object.values(outputs).flatMap(({ data }) => Array.from<string | number | bigint>(data))
    return prediction?.prediction ?? values
  })

const answer = (input: ReadonlyArray<Item> | TensorMap, rest: Partial<InferRequest> = {}) =>
  Effect.map(infer(input, rest), short)

const openGate = Effect.sync(() => {
  Atomics.store(conformanceCells, cells.gate, 1)
  Atomics.notify(conformanceCells, cells.gate)
})
const shutGate = Effect.sync(() => Atomics.store(conformanceCells, cells.gate, 0))

/** Runs something while a model is held in the middle of a run. */
const whileHeld = <A, E, R>(model: string, use: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    yield* shutGate
    const runs = Atomics.load(conformanceCells, cells.runs)
    const holding = yield* Effect.forkChild(infer(items(orders.hold), { model, timeoutMs: 3_600_000 }), {
      startImmediately: true
    })
    yield* Effect.promise(async () => Atomics.waitAsync(conformanceCells, cells.runs, runs).value)
    const used = yield* use
    yield* openGate
    yield* Fiber.join(holding)
    return used
  }).pipe(Effect.ensuring(openGate))

export const inferenceConformance = <E>(name: string, layer: Layer.Layer<Inference, E>): void =>
  shareLayer(layer)(name, (it) => {
    const test = (
      title: string,
      body: () => Generator<Effect.Effect<unknown, unknown, Inference>, void, never>
    ) => it.effect(title, () => Effect.gen(body))

    it.effect.each<readonly [string, Partial<InferRequest>, string, number]>([
      ["the default model and version", { model: undefined }, "numbers@v1", 2],
      ["a model's default version", { model: "numbers" }, "numbers@v1", 2],
      ["a version that is named, candidates too", { model: "numbers", version: "v2" }, "numbers@v2", 3],
      ["a version of the default model", { model: undefined, version: "v2" }, "numbers@v2", 3]
    ])("answers with %s", ([, rest, id, factor]) =>
      Effect.gen(function*() {
        const result = yield* infer(items(5), rest)
        assert.strictEqual(`${result.model}@${result.version}`, id)
        assert.deepStrictEqual(short(result), [[5 * factor]])
        assert.deepStrictEqual(result.signature.outputs, [{ name: "y", datatype: "FP32", shape: [-1, 1] }])
      }))

    it.effect.each<readonly [string, Partial<InferRequest>, Partial<InferenceError>]>([
      ["an unknown model", { model: "numbres" }, { _tag: "ModelNotFound" }],
      ["an unknown version", { version: "v9" }, { _tag: "VersionNotFound" }],
      ["a retired version", { version: "v0" }, { _tag: "VersionRetired" }],
      ["a version that loads still", { model: "waiting" }, { _tag: "ModelNotReady", state: "loading" }],
      ["a version that failed to load", { model: "broken" }, { _tag: "ModelNotReady", state: "failed" }]
    ])("refuses %s", ([, rest, error]) =>
      Effect.gen(function*() {
        assert.deepInclude(yield* Effect.flip(infer(items(1), rest)), error)
      }))

    test("says how long a request waited for its batch", function*() {
      const waiting = yield* whileHeld(
        "numbers",
        Effect.gen(function*() {
          const caller = yield* Effect.forkChild(infer(items(9)), { startImmediately: true })
          yield* TestClock.adjust("30 millis")
          return caller
        })
      )
      assert.isAtLeast((yield* Fiber.join(waiting)).timings.queue, 30)
    })

    test("answers items in their order", function*() {
      assert.deepStrictEqual(yield* answer(items(3, 1, 2, 1)), [[6], [2], [4], [2]])
    })

    test("answers tensors as it answers items", function*() {
      const result = yield* infer({ x: tensor("FP32", [3, 1], Float32Array.of(3, 1, 2)) })
      assert.deepStrictEqual(short(result), [[6], [2], [4]])
    })

    test("answers the same request again, whose tensors are still its caller's", function*() {
      const data = Float32Array.of(4)
      const tensors = { x: tensor("FP32", [1, 1], data) }
      assert.deepStrictEqual([yield* answer(tensors), yield* answer(tensors)], [[[8]], [[8]]])
      assert.deepStrictEqual(Array.from(data), [4])
    })

    test("answers many requests at a time, each with its own", function*() {
      const values = Array.from({ length: 50 }, (_, i) => i)
      const results = yield* Effect.forEach(values, (value) => answer(items(value, value + 1000)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(results, values.map((value) => [[2 * value], [2 * (value + 1000)]]))
    })

    it.effect.each<readonly [string, ReadonlyArray<Item> | TensorMap, RegExp]>([
      ["no items", [], /at least one/],
      ["no inputs", {}, /inputs\.x/],
      ["an unknown input", { z: tensor("FP32", [1, 1], Float32Array.of(1)) }, /inputs\.z/],
      ["another datatype", { x: tensor("INT32", [1, 1], Int32Array.of(1)) }, /inputs\.x\.datatype/],
      ["another shape", { x: tensor("FP32", [1, 2], Float32Array.of(1, 2)) }, /inputs\.x\.shape/],
      ["too few elements", { x: tensor("FP32", [2, 1], Float32Array.of(1)) }, /inputs\.x\.data/],
      ["an empty batch", { x: tensor("FP32", [0, 1], Float32Array.of()) }, /inputs\.x\.shape/]
    ])("refuses %s as a whole, naming the field", ([, input, message]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(infer(input))
        assert.strictEqual(error._tag, "MalformedRequest")
        assert.match(error.message, message)
      }))

    test("fails each item that the model cannot take in its place, and answers the others", function*() {
      const bad: Item = { _tag: "Features", values: [1, 2] }
      const result = yield* infer([...items(1), bad, ...items(2), bad, { _tag: "Text", text: "one" }])
      assert.deepStrictEqual(short(result), [[2], "InvalidInput", [4], "InvalidInput", "InvalidInput"])
      const places = result.items.flatMap((item) =>
        Result.isFailure(item) && item.failure._tag === "InvalidInput" ? [item.failure.item] : []
      )
      assert.deepStrictEqual(places, [1, 3, 4])
    })

    test("names the place of each of several equal bad items, also where the cache is asked", function*() {
      const bad: Item = { _tag: "Features", values: [1, 2] }
      const result = yield* infer([bad, ...items(1), bad], { cache: "use" })
      const places = result.items.flatMap((item) =>
        Result.isFailure(item) && item.failure._tag === "InvalidInput" ? [item.failure.item] : []
      )
      assert.deepStrictEqual(places, [0, 2])
    })

    test("fails the item on which the model fails, and answers the others", function*() {
      const input = items(1, orders.fail, 2, orders.throwException, 3)
      assert.deepStrictEqual(yield* answer(input), [[2], "ModelFailed", [4], "ModelFailed", [6]])
      assert.deepStrictEqual(yield* answer(items(orders.misshape)), ["ModelFailed"])
      assert.deepStrictEqual(yield* answer(items(orders.nonsense)), ["ModelFailed"])
      assert.deepStrictEqual(yield* answer(items(4)), [[8]])
    })

    test("gives natural items a natural answer, whatever lengths share a batch", function*() {
      const words = ["a", "four", "seventeen letters", "ab"]
      assert.deepStrictEqual(yield* answer(texts(...words), { model: "letters" }), words.map((word) => word.length))
    })

    test("takes texts as a tensor of texts, and answers with tensors", function*() {
      const flat = yield* answer({ text: tensor("BYTES", [2], ["abc", "d"]) }, { model: "letters" })
      const column = yield* answer({ text: tensor("BYTES", [2, 1], ["abc", "d"]) }, { model: "letters" })
      assert.deepStrictEqual([flat, column], [[[3], [1]], [[3], [1]]])
    })

    it.effect.each<readonly [string, TensorMap, RegExp]>([
      ["of fewer texts than its shape says", { text: tensor("BYTES", [3], ["a", "b"]) }, /inputs\.text\.data/],
      ["of two texts a row", { text: tensor("BYTES", [1, 2], ["a", "b"]) }, /inputs\.text\.shape/],
      ["of numbers", { text: tensor("INT32", [1], Int32Array.of(1)) }, /inputs\.text\.datatype/],
      ["without texts", { text: tensor("BYTES", [0], []) }, /inputs\.text\.shape/]
    ])("refuses a tensor of texts %s, naming what is wrong", ([, tensors, message]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(infer(tensors, { model: "letters" }))
        assert.strictEqual(error._tag, "MalformedRequest")
        assert.match(error.message, message)
      }))

    test("takes what a codec throws for that item's failure", function*() {
      const input = texts("a", "throws in encode", "ab", "throws in decode", "")
      assert.deepStrictEqual(yield* answer(input, { model: "letters" }), [
        1,
        "ModelFailed",
        2,
        "ModelFailed",
        "InvalidInput"
      ])
    })

    describeCache(test)
    describeDeadlines(test)
    describeBreaker(test)
  })

type Test = (
  title: string,
  body: () => Generator<Effect.Effect<unknown, unknown, Inference>, void, never>
) => void

/** Values that no other test asks the cache for. */
const describeCache = (test: Test): void => {
  const cached = (result: InferResult) => result.items.map((item) => Result.isSuccess(item) && item.success.cached)

  test("answers from the cache what it has answered before", function*() {
    const first = yield* infer(items(101, 102), { cache: "use" })
    const again = yield* infer(items(101, 102), { cache: "use" })
    const partly = yield* infer(items(103, 102), { cache: "use" })
    assert.deepStrictEqual([first, again, partly].map((result) => result.cacheStatus), ["miss", "hit", "partial"])
    assert.deepStrictEqual([first, again, partly].map(cached), [[false, false], [true, true], [false, true]])
    assert.deepStrictEqual([first, again, partly].map(short), [[[202], [204]], [[202], [204]], [[206], [204]]])
  })

  test("keeps the answers of two versions apart", function*() {
    const first = yield* infer(items(111), { cache: "use" })
    const second = yield* infer(items(111), { cache: "use", version: "v2" })
    assert.deepStrictEqual([short(first), short(second)], [[[222]], [[333]]])
    assert.strictEqual(second.cacheStatus, "miss")
  })

  test("computes anew where it is asked to, and keeps that", function*() {
    yield* infer(items(121), { cache: "use" })
    const runs = Atomics.load(conformanceCells, cells.runs)
    assert.strictEqual((yield* infer(items(121), { cache: "refresh" })).cacheStatus, "miss")
    assert.strictEqual(Atomics.load(conformanceCells, cells.runs), runs + 1)
    assert.strictEqual((yield* infer(items(121), { cache: "use" })).cacheStatus, "hit")
  })

  test("keeps nothing of a request or a version that is not to be cached", function*() {
    yield* infer(items(131), { cache: "bypass" })
    const after = yield* infer(items(131), { cache: "use" })
    const uncached = [
      yield* infer(items(1), { model: "uncached", cache: "use" }),
      yield* infer(items(1), { model: "uncached", cache: "use" })
    ]
    assert.strictEqual(after.cacheStatus, "miss")
    assert.deepStrictEqual(uncached.map((result) => result.cacheStatus), ["bypass", "bypass"])
  })

  test("keeps no failure", function*() {
    const input = items(141, orders.fail)
    assert.deepStrictEqual(yield* answer(input, { cache: "use" }), [[282], "ModelFailed"])
    const again = yield* infer(input, { cache: "use" })
    assert.deepStrictEqual(short(again), [[282], "ModelFailed"])
    assert.strictEqual(again.cacheStatus, "partial")
  })
}

const describeDeadlines = (test: Test): void => {
  const outOfTime = (rest: Partial<InferRequest>, timeoutMs: number) =>
    whileHeld(
      "hasty",
      Effect.gen(function*() {
        const late = yield* Effect.forkChild(Effect.flip(infer(items(1), { model: "hasty", ...rest })), {
          startImmediately: true
        })
        yield* TestClock.adjust(timeoutMs - 1)
        assert.isUndefined(late.pollUnsafe())
        yield* TestClock.adjust(1)
        return yield* Fiber.join(late)
      })
    )

  test("gives up at the time that the request allows", function*() {
    assert.deepInclude(yield* outOfTime({ timeoutMs: 50 }, 50), { _tag: "DeadlineExceeded", timeoutMs: 50 })
  })

  test("gives up at the version's own time where the request allows none", function*() {
    assert.deepInclude(yield* outOfTime({}, 200), { _tag: "DeadlineExceeded", timeoutMs: 200 })
  })

  test("never computes what is out of time", function*() {
    yield* outOfTime({ timeoutMs: 50 }, 50)
    const runs = Atomics.load(conformanceCells, cells.runs)
    assert.deepStrictEqual(yield* answer(items(7), { model: "hasty" }), [[14]])
    assert.strictEqual(Atomics.load(conformanceCells, cells.runs), runs + 1)
  })

  test("never computes for callers who have left", function*() {
    const values = Array.from({ length: 200 }, (_, i) => i)
    yield* whileHeld(
      "hasty",
      Effect.gen(function*() {
        const callers = yield* Effect.forEach(
          values,
          (value) => Effect.forkChild(infer(items(value), { model: "hasty" }), { startImmediately: true })
        )
        yield* Fiber.interruptAll(callers)
      })
    )
    const runs = Atomics.load(conformanceCells, cells.runs)
    assert.deepStrictEqual(yield* answer(items(7), { model: "hasty" }), [[14]])
    assert.strictEqual(Atomics.load(conformanceCells, cells.runs), runs + 1)
  })
}

const describeBreaker = (test: Test): void => {
  const repeat = (times: number, input: ReadonlyArray<Item>, rest: Partial<InferRequest>) =>
    Effect.forEach(Array.from({ length: times }), () => answer(input, rest))

  test("stops asking a version that fails again and again, and asks again after a while", function*() {
    const v1 = { model: "fragile", version: "v1" }
    assert.deepStrictEqual(yield* repeat(5, items(orders.fail), v1), Array.from({ length: 5 }, () => ["ModelFailed"]))
    const runs = Atomics.load(conformanceCells, cells.runs)
    const refusal = yield* Effect.flip(infer(items(1), v1))
    assert.strictEqual(refusal._tag, "CircuitOpen")
    assert.isTrue(refusal._tag === "CircuitOpen" && refusal.retryAfterMs > 0 && refusal.retryAfterMs <= 10_000)
    assert.strictEqual(Atomics.load(conformanceCells, cells.runs), runs)
    assert.deepStrictEqual(yield* answer(items(1), { ...v1, version: "v2" }), [[2]])
    yield* TestClock.adjust("10 seconds")
    assert.deepStrictEqual(yield* repeat(2, items(1), v1), [[[2]], [[2]]])
  })

  test("does not hold against a version what it makes of raw tensors, which nothing has checked", function*() {
    const poisoned = { x: tensor("FP32", [1, 1], Float32Array.of(orders.fail)) }
    const v2 = { model: "fragile", version: "v2" }
    yield* Effect.forEach(Array.from({ length: 10 }), () => answer(poisoned, v2))
    assert.deepStrictEqual(yield* answer(items(1), v2), [[2]])
  })

  test("does not hold against a version that callers were too many", function*() {
    const model = "narrow"
    const waiting = yield* whileHeld(
      model,
      Effect.gen(function*() {
        const first = yield* Effect.forkChild(answer(items(4), { model }), { startImmediately: true })
        const refusals = yield* Effect.forEach(
          Array.from({ length: 10 }),
          () => Effect.flip(infer(items(5), { model }))
        )
        assert.isTrue(refusals.every((refusal) => refusal._tag === "Overloaded"))
        return first
      })
    )
    assert.deepStrictEqual(yield* Fiber.join(waiting), [[8]])
    assert.deepStrictEqual(yield* answer(items(6), { model }), [[12]])
  })

  test("does not hold bad input against a version", function*() {
    const v2 = { model: "fragile", version: "v2" }
    yield* repeat(10, [{ _tag: "Features", values: [] }], v2)
    yield* Effect.forEach(Array.from({ length: 10 }), () => Effect.flip(infer({}, v2)))
    assert.deepStrictEqual(yield* answer(items(1), v2), [[2]])
  })
}
