import { assert, describe, it } from "@effect/vitest"
import { Inference } from "@sluice/core/Inference"
import type { Answered, InferRequest, InferResult } from "@sluice/core/InferRequest"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type CacheEntry, CacheStore } from "../src/cache/CacheStore.ts"
import { layerMemory } from "../src/cache/CacheStoreMemory.ts"
import { encodeItemOutput } from "../src/cache/ItemOutputCodec.ts"
import { cells, orders, sharedCells } from "./fixtures/ScriptedPlugin.ts"
import { engineLayer, letters, registryWith, scripted, turn } from "./LocalEngine.ts"
import { registryOf } from "./registry/Registries.ts"

const requestFor = (values: ReadonlyArray<number>, rest: Partial<InferRequest> = {}): InferRequest => ({
  model: "numbers",
  version: undefined,
  routingKey: "caller",
  input: { _tag: "Items", items: values.map((value) => ({ _tag: "Features", values: [value] })) },
  cache: "use",
  priority: "normal",
  timeoutMs: undefined,
  ...rest
})

const infer = (values: ReadonlyArray<number>, rest?: Partial<InferRequest>) =>
  Effect.flatMap(Inference, (inference) => inference.infer(requestFor(values, rest)))

const test = (
  name: string,
  body: (memory: Int32Array) => Generator<Effect.Effect<unknown, unknown, Inference | Metrics>, void, never>,
  version: object = scripted
) =>
  it.effect(name, () => {
    const memory = sharedCells()
    const registry = registryWith({
      numbers: { default_version: "v1", stale_if_error: "2 hours", versions: { v1: version } }
    }, memory)
    return Effect.gen(() => body(memory)).pipe(
      Effect.provide(engineLayer(registry)),
      Effect.provide(Logger.layer([]))
    )
  })

const outputs = (answered: Answered) =>
  Result.isFailure(answered)
    ? answered.failure._tag
    : answered.success.items.map((item) =>
      Result.isSuccess(item) ? item.success.outputs["y"]?.data[0] : item.failure._tag
    )

/** Stored aside, after the answer. */
const stored = Effect.andThen(turn, turn)

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "sluice-cached-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** A store that takes what a test puts in the place of its entries. */
const tampered = (tier: "memory" | "redis") => {
  const kept: Array<CacheEntry> = []
  const layer = Layer.effect(
    CacheStore,
    Effect.gen(function*() {
      const memory = Context.get(yield* Layer.build(layerMemory({ maxBytes: 1_000_000 })), CacheStore)
      return CacheStore.of({
        ...memory,
        ...(tier === "memory" ? {} : { held: () => undefined }),
        setMany: (entries, timeToLive) => {
          kept.push(...entries)
          return memory.setMany(entries, timeToLive)
        }
      })
    })
  )
  const times = { storedAt: 0, freshUntil: 3_600_000, keptUntil: 3_600_000 }
  const replaceLast = (outputs: TensorMap, cost = 1) =>
    Effect.gen(function*() {
      const { key } = kept.at(-1) ?? assert.fail("nothing is kept")
      const store = yield* CacheStore
      yield* store.setMany([{ key, value: encodeItemOutput(key, { outputs, cost }, times) }], "1 hour")
    })
  return { layer, replaceLast }
}

/** Entries that read well and are no answers of the model that counts letters. */
const strangers: Readonly<Record<string, TensorMap>> = {
  "no output": {},
  "another output": { other: { datatype: "INT32", shape: [1], data: Int32Array.of(3) } },
  "another datatype": { count: { datatype: "FP32", shape: [1], data: Float32Array.of(3) } },
  "another rank": { count: { datatype: "INT32", shape: [1, 1], data: Int32Array.of(3) } },
  "more rows": { count: { datatype: "INT32", shape: [2], data: Int32Array.of(3, 3) } },
  "one that its codec throws on": { count: { datatype: "INT32", shape: [1], data: Int32Array.of(16) } }
}

describe.each(["memory", "redis"] as const)("An entry in %s that is no answer of its model", (tier) => {
  it.effect.each(Object.keys(strangers))("is computed anew and replaced: %s", (name) => {
    const { layer, replaceLast } = tampered(tier)
    const registry = registryWith({ letters: { default_version: "v1", versions: { v1: letters } } }, sharedCells())
    const ask = (...texts: ReadonlyArray<string>) =>
      Effect.flatMap(Inference, ({ infer }) =>
        infer(requestFor([], {
          model: "letters",
          input: { _tag: "Items", items: texts.map((text) => ({ _tag: "Text", text })) }
        })))
    const told = ({ cacheStatus, items }: InferResult) => [
      cacheStatus,
      ...items.map((item) => Result.isSuccess(item) ? item.success.prediction?.prediction : item.failure._tag)
    ]
    return Effect.gen(function*() {
      assert.deepStrictEqual(told(yield* ask("abcd")), ["miss", 4])
      yield* stored
      assert.deepStrictEqual(told(yield* ask("abc")), ["miss", 3])
      yield* stored
      yield* replaceLast(strangers[name] ?? {})
      assert.deepStrictEqual(told(yield* ask("abc", "abcd")), ["partial", 3, 4])
      yield* stored
      assert.deepStrictEqual(told(yield* ask("abc")), ["hit", 3])
      yield* replaceLast(strangers[name] ?? {})
      assert.deepStrictEqual(told(yield* ask("abc")), ["miss", 3])
    }).pipe(
      Effect.provide(Layer.merge(engineLayer(registry, undefined, layer), layer)),
      Effect.provide(Logger.layer([]))
    )
  })
})

describe("Files that decide an answer", () => {
  it.effect("are part of what it is kept under: the model's, those beside it and the plugin's", () => {
    const store = layerMemory({ maxBytes: 1_000_000 })
    return Effect.gen(function*() {
      const context = yield* Layer.build(store)
      const folder = yield* temporaryFolder
      const path = join(folder, "model.onnx")
      const registry = registryOf(
        { numbers: { default_version: "v1", versions: { v1: { path, plugin: "scripted" } } } },
        join(folder, "registry.yaml")
      )
      /** By a process that starts now. */
      const status = Effect.gen(function*() {
        const { cacheStatus } = yield* infer([1])
        yield* stored
        return cacheStatus
      }).pipe(
        Effect.provide(Layer.fresh(engineLayer(registry, undefined, Layer.succeedContext(context))))
      )
      for (const name of ["model.onnx", "model.onnx.data", "tokenizer.json"]) {
        yield* Effect.promise(() => writeFile(join(folder, name), name))
        assert.deepStrictEqual([yield* status, yield* status], ["miss", "hit"], name)
      }
      yield* Effect.promise(() => writeFile(join(folder, "tokenizer.json"), "tokenizes otherwise"))
      assert.deepStrictEqual([yield* status, yield* status], ["miss", "hit"])
    }).pipe(Effect.provide(Logger.layer([])), Effect.scoped)
  })
})

describe("Inference with its cache", () => {
  test("answers what this process holds before start returns, and tells its meters", function*() {
    yield* infer([1, 2])
    yield* stored
    yield* TestClock.adjust("90 seconds")
    const { start } = yield* Inference
    const answers: Array<Answered> = []
    start(requestFor([2, 1]), (answered) => answers.push(answered))
    const [answered] = answers
    if (answered === undefined || Result.isFailure(answered)) return assert.fail("no answer yet")
    assert.deepStrictEqual(outputs(answered), [4, 2])
    const { ageMs, cacheStatus, degraded, items } = answered.success
    assert.deepStrictEqual([cacheStatus, ageMs, degraded], ["hit", 90_000, undefined])
    assert.isTrue(items.every((item) => Result.isSuccess(item) && item.success.cached))
    const { body } = yield* Effect.flatMap(Metrics, ({ render }) => render)
    assert.include(body, `sluice_cache_items_total{model="numbers",version="v1",result="hit"} 2`)
    assert.include(body, `sluice_requests_total{model="numbers",version="v1"} 2`)
  })

  test("computes only what is new of a request whose other items are known", function*(memory) {
    yield* infer(Array.from({ length: 31 }, (_, index) => index))
    yield* stored
    const runs = Atomics.load(memory, cells.runs)
    const answer = yield* infer(Array.from({ length: 32 }, (_, index) => index))
    assert.strictEqual(answer.cacheStatus, "partial")
    assert.deepStrictEqual(outputs(Result.succeed(answer)), Array.from({ length: 32 }, (_, index) => index * 2))
    assert.strictEqual(Atomics.load(memory, cells.runs), runs + 1)
  })

  test("gives old answers while the circuit is open, says so, and keeps nothing of that", function*() {
    yield* infer([5])
    yield* stored
    yield* TestClock.adjust("70 minutes")
    for (let call = 0; call < 5; call++) yield* infer([orders.fail])
    assert.strictEqual((yield* Effect.flip(infer([6])))._tag, "CircuitOpen")
    for (let call = 0; call < 2; call++) {
      const { ageMs = 0, cacheStatus, degraded, items } = yield* infer([5])
      assert.deepStrictEqual([cacheStatus, degraded], ["hit", { kind: "stale" }])
      assert.isAtLeast(ageMs, 70 * 60_000)
      assert.isTrue(items.every(Result.isSuccess))
      yield* stored
    }
    // Past what the registry allows there is no answer.
    yield* TestClock.adjust("3 hours")
    for (let call = 0; call < 5; call++) yield* Effect.ignore(infer([orders.fail]))
    assert.strictEqual((yield* Effect.flip(infer([5])))._tag, "CircuitOpen")
  })

  test("gives nothing that was computed in company to one who wants it alone, where that differs", function*() {
    yield* infer([7])
    yield* stored
    assert.strictEqual((yield* infer([7], { consistent: true })).cacheStatus, "miss")
    yield* stored
    assert.strictEqual((yield* infer([7], { consistent: true })).cacheStatus, "hit")
    assert.strictEqual((yield* infer([7])).cacheStatus, "hit")
  }, { ...scripted, batch_invariant: false })
})
