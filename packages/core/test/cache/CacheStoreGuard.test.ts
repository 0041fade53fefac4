import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { type CacheStore, CacheStoreError } from "../../src/cache/CacheStore.ts"
import { guarded } from "../../src/cache/CacheStoreGuard.ts"

const budget = { operation: "50 millis", scan: "10 seconds", rest: "1 second" } as const

/** A store that does what it is told to, and counts how often it is asked. */
const puppet = () => {
  const state = { asked: 0, answer: Effect.succeed([]) as Effect.Effect<ReadonlyArray<undefined>, CacheStoreError> }
  const ask = Effect.suspend(() => {
    state.asked++
    return state.answer
  })
  const store: CacheStore["Service"] = {
    getMany: () => ask,
    setMany: () => Effect.asVoid(ask),
    removeMany: () => Effect.asVoid(ask),
    clear: () => Effect.as(ask, 0),
    stats: Effect.as(ask, []),
    held: () => undefined,
    claims: undefined
  }
  const told: Array<string> = []
  const watch = {
    failed: (operation: string) => void told.push(`${operation} failed`),
    state: (access: string, next: string) => void told.push(`${access} ${next}`)
  }
  return { state, told, store: guarded(store, budget, watch) }
}

const failed = Effect.fail(new CacheStoreError({ operation: "getMany", reason: "failed" }))
const reasonOf = <A>(effect: Effect.Effect<A, CacheStoreError>) =>
  Effect.match(effect, { onSuccess: () => "answered", onFailure: ({ reason }) => reason as string })

describe("CacheStoreGuard", () => {
  it.effect("waits for an answer as long as the budget, and no longer", () =>
    Effect.gen(function*() {
      const { state, store } = puppet()
      state.answer = Effect.never
      const asking = yield* Effect.forkChild(reasonOf(store.getMany(["k"])), { startImmediately: true })
      yield* TestClock.adjust("49 millis")
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(asking), "slow")
    }))

  it.effect("passes on what comes within the budget", () =>
    Effect.gen(function*() {
      const { state, store } = puppet()
      state.answer = Effect.as(Effect.sleep("49 millis"), [undefined])
      const asking = yield* Effect.forkChild(store.getMany(["k"]), { startImmediately: true })
      yield* TestClock.adjust("49 millis")
      assert.deepStrictEqual(yield* Fiber.join(asking), [undefined])
    }))

  it.effect("does not ask a store that failed until it has rested", () =>
    Effect.gen(function*() {
      const { state, store } = puppet()
      state.answer = failed
      assert.strictEqual(yield* reasonOf(store.getMany(["k"])), "failed")
      assert.strictEqual(yield* reasonOf(store.getMany(["k"])), "resting")
      assert.strictEqual(yield* reasonOf(store.setMany([], "1 minute")), "resting")
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(yield* reasonOf(store.getMany(["k"])), "resting")
      assert.strictEqual(state.asked, 1)
      yield* TestClock.adjust("1 millis")
      state.answer = Effect.succeed([])
      assert.strictEqual(yield* reasonOf(store.getMany(["k"])), "answered")
      assert.strictEqual(yield* reasonOf(store.setMany([], "1 minute")), "answered")
      assert.strictEqual(state.asked, 3)
    }))

  it.effect("lets one caller find out whether a rested store is back, while the others go on", () =>
    Effect.gen(function*() {
      const { state, store } = puppet()
      state.answer = failed
      yield* reasonOf(store.getMany(["k"]))
      yield* TestClock.adjust("1 second")
      state.answer = Effect.never
      const probe = yield* Effect.forkChild(reasonOf(store.getMany(["k"])), { startImmediately: true })
      assert.strictEqual(yield* reasonOf(store.getMany(["k"])), "resting")
      yield* TestClock.adjust("50 millis")
      assert.strictEqual(yield* Fiber.join(probe), "slow")
      // The probe found it still away: the rest begins anew.
      yield* TestClock.adjust("949 millis")
      assert.strictEqual(yield* reasonOf(store.getMany(["k"])), "resting")
      assert.strictEqual(state.asked, 2)
    }))

  it.effect("lets the next caller ask when the one who did has left", () =>
    Effect.gen(function*() {
      const { state, store } = puppet()
      state.answer = failed
      yield* reasonOf(store.getMany(["k"]))
      yield* TestClock.adjust("1 second")
      state.answer = Effect.never
      const probe = yield* Effect.forkChild(reasonOf(store.getMany(["k"])), { startImmediately: true })
      yield* Fiber.interrupt(probe)
      state.answer = Effect.succeed([])
      assert.strictEqual(yield* reasonOf(store.getMany(["k"])), "answered")
    }))

  it.effect("goes on reading from a store that refuses to write", () =>
    Effect.gen(function*() {
      const { state, store, told } = puppet()
      state.answer = Effect.fail(new CacheStoreError({ operation: "setMany", reason: "refused" }))
      assert.strictEqual(yield* reasonOf(store.setMany([], "1 minute")), "refused")
      state.answer = Effect.succeed([])
      assert.strictEqual(yield* reasonOf(store.getMany(["k"])), "answered")
      // That it is read does not mean that it is written.
      assert.strictEqual(yield* reasonOf(store.setMany([], "1 minute")), "resting")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* reasonOf(store.setMany([], "1 minute")), "answered")
      assert.deepStrictEqual(told, ["setMany failed", "write resting", "write probing", "write ready"])
    }))

  it.effect("neither reads nor writes where a write was slow, and tells of each change once", () =>
    Effect.gen(function*() {
      const { state, store, told } = puppet()
      state.answer = Effect.never
      const writing = yield* Effect.forkChild(reasonOf(store.setMany([], "1 minute")), { startImmediately: true })
      yield* TestClock.adjust("50 millis")
      assert.strictEqual(yield* Fiber.join(writing), "slow")
      assert.strictEqual(yield* reasonOf(store.getMany(["k"])), "resting")
      assert.deepStrictEqual(told, ["setMany failed", "read resting", "write resting"])
      yield* TestClock.adjust("1 second")
      state.answer = Effect.succeed([])
      yield* store.getMany(["k"])
      yield* store.setMany([], "1 minute")
      assert.deepStrictEqual(told.slice(3), ["read probing", "read ready", "write probing", "write ready"])
    }))

  it.effect("asks a resting store for what an operator wants, for as long as that may take", () =>
    Effect.gen(function*() {
      const { state, store } = puppet()
      state.answer = failed
      yield* reasonOf(store.getMany(["k"]))
      state.answer = Effect.as(Effect.sleep("9 seconds"), [])
      const clearing = yield* Effect.forkChild(reasonOf(store.clear("k")), { startImmediately: true })
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* Fiber.join(clearing), "answered")
      state.answer = Effect.never
      const counting = yield* Effect.forkChild(reasonOf(store.stats), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(counting), "slow")
    }))
})
