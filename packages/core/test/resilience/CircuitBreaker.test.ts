import { assert, describe, it } from "@effect/vitest"
import { CircuitOpen } from "@sluice/domain/Errors"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import { type BreakerEntry, type BreakerRules, defaultBreakerRules } from "../../src/resilience/BreakerRules.ts"
import { type CallOutcome, CircuitBreaker } from "../../src/resilience/CircuitBreaker.ts"
import { CircuitSharing } from "../../src/resilience/CircuitSharing.ts"
import { layerMemory } from "../../src/resilience/CircuitSharingMemory.ts"
import { Metrics } from "../../src/telemetry/Metrics.ts"

const ids = { model: "m", version: "v1" }
const layer = (rules: Partial<BreakerRules> = {}) =>
  CircuitBreaker.layer({ ...defaultBreakerRules, ...rules }).pipe(
    Layer.provide(CircuitSharing.layerNone),
    Layer.provideMerge(Metrics.layer({ enabled: true })),
    Layer.provide(Logger.layer([]))
  )

const guard = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: {
    readonly version?: string
    readonly rules?: BreakerEntry
    readonly classify?: (exit: Exit.Exit<A, E>) => CallOutcome
  } = {}
) => Effect.flatMap(CircuitBreaker, (breaker) => breaker.guard(effect, { ...ids, ...options }))
const stateOf = (version = "v1") => Effect.flatMap(CircuitBreaker, (breaker) => breaker.state("m", version))

const fail = Effect.exit(guard(Effect.fail("broken")))
const succeed = Effect.exit(guard(Effect.succeed("fine")))
const times = (n: number) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.forEach(Array.from({ length: n }), () => effect, { discard: true })
/** How long a call is told to wait; undefined where it was let through. */
const refusal = Effect.map(
  Effect.exit(guard(Effect.fail("broken"))),
  (exit) => {
    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    return error instanceof CircuitOpen ? error.retryAfterMs : undefined
  }
)

const nothingSaid: BreakerEntry = {
  policy: undefined,
  failures: undefined,
  rateThreshold: undefined,
  windowCalls: undefined,
  minimumCalls: undefined,
  openDuration: undefined
}
const once: BreakerEntry = { ...nothingSaid, failures: 1 }

const recorded = () => {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ message }) => {
    lines.push(String(message))
  })
  return { lines, logger }
}

describe("CircuitBreaker", () => {
  it.effect("passes on what the effect gives, be it a result, an error or a defect", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* guard(Effect.succeed(7)), 7)
      assert.strictEqual(yield* Effect.flip(guard(Effect.fail("broken"))), "broken")
      const defect = new Error("fault")
      assert.deepStrictEqual(yield* Effect.exit(guard(Effect.die(defect))), Exit.die(defect))
    }).pipe(Effect.provide(layer())))

  it.effect("opens after five failures in a row, and refuses with the time that is left", () =>
    Effect.gen(function*() {
      yield* times(4)(fail)
      yield* succeed
      yield* times(4)(fail)
      assert.strictEqual(yield* stateOf(), "closed")
      yield* fail
      assert.strictEqual(yield* stateOf(), "open")
      assert.strictEqual(yield* refusal, 10_000)
      yield* TestClock.adjust("4 seconds")
      const error = yield* Effect.flip(guard(Effect.die(new Error("was called"))))
      assert.deepStrictEqual(error, new CircuitOpen({ ...ids, retryAfterMs: 6_000 }))
    }).pipe(Effect.provide(layer())))

  it.effect("keeps each version's circuit apart", () =>
    Effect.gen(function*() {
      yield* times(5)(fail)
      assert.strictEqual(yield* stateOf("v1"), "open")
      assert.strictEqual(yield* stateOf("v2"), "closed")
      assert.strictEqual(yield* guard(Effect.succeed("fine"), { version: "v2" }), "fine")
    }).pipe(Effect.provide(layer())))

  it.effect("lets one call probe after that time, and closes when it succeeds", () =>
    Effect.gen(function*() {
      yield* times(5)(fail)
      yield* TestClock.adjust("10 seconds")
      const answer = yield* Deferred.make<string>()
      const probe = yield* Effect.forkChild(guard(Deferred.await(answer)), { startImmediately: true })
      assert.strictEqual(yield* stateOf(), "half_open")
      const wait = yield* refusal
      assert.isTrue(wait !== undefined && wait > 0 && wait <= 1_000, `told to wait ${wait} ms while one probes`)
      yield* Deferred.succeed(answer, "fine")
      assert.strictEqual(yield* Fiber.join(probe), "fine")
      assert.strictEqual(yield* stateOf(), "closed")
      assert.strictEqual(yield* guard(Effect.succeed("again")), "again")
    }).pipe(Effect.provide(layer())))

  it.effect("opens again, for as long, when the probe fails", () =>
    Effect.gen(function*() {
      yield* times(5)(fail)
      yield* TestClock.adjust("10 seconds")
      yield* fail
      assert.strictEqual(yield* stateOf(), "open")
      assert.strictEqual(yield* refusal, 10_000)
    }).pipe(Effect.provide(layer())))

  it.effect("lets another call probe when the one that did was interrupted", () =>
    Effect.gen(function*() {
      yield* times(5)(fail)
      yield* TestClock.adjust("10 seconds")
      const probe = yield* Effect.forkChild(guard(Effect.never), { startImmediately: true })
      assert.isDefined(yield* refusal)
      yield* Fiber.interrupt(probe)
      assert.strictEqual(yield* guard(Effect.succeed("fine")), "fine")
      assert.strictEqual(yield* stateOf(), "closed")
    }).pipe(Effect.provide(layer())))

  it.effect("does not count interruptions, nor what the caller classifies as ignored", () =>
    Effect.gen(function*() {
      const ignored = Effect.exit(guard(Effect.fail("bad input"), { classify: () => "ignored" }))
      yield* times(4)(fail)
      yield* times(20)(ignored)
      const left = yield* Effect.forkChild(guard(Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(left)
      assert.strictEqual(yield* stateOf(), "closed")
      // Neither is it a success, which would begin the count anew.
      yield* fail
      assert.strictEqual(yield* stateOf(), "open")
    }).pipe(Effect.provide(layer())))

  it.effect("counts what the caller classifies, though the effect succeeded", () =>
    Effect.gen(function*() {
      const allItemsFailed = guard(Effect.succeed([]), {
        classify: (exit) => Exit.isSuccess(exit) ? "failure" : "ignored"
      })
      yield* times(5)(allItemsFailed)
      assert.strictEqual(yield* stateOf(), "open")
    }).pipe(Effect.provide(layer())))

  it.effect("opens by a rate where the policy says so", () =>
    Effect.gen(function*() {
      // Three of the last eight fail: 37 %.
      yield* times(5)(succeed)
      yield* times(3)(fail)
      assert.strictEqual(yield* stateOf(), "closed")
      yield* fail
      assert.strictEqual(yield* stateOf(), "open")
      assert.strictEqual(yield* refusal, 2_000)
    }).pipe(Effect.provide(layer({
      policy: "rate",
      rateThreshold: 0.5,
      windowCalls: 8,
      minimumCalls: 8,
      openDuration: Duration.seconds(2)
    }))))

  it.effect("opens by a rate, and never by failures in a row, for a model that fails every second call", () => {
    const alternating = times(50)(Effect.andThen(fail, succeed))
    return Effect.gen(function*() {
      yield* Effect.provide(
        Effect.andThen(alternating, Effect.map(stateOf(), (state) => assert.strictEqual(state, "closed"))),
        layer()
      )
      yield* Effect.provide(
        Effect.andThen(alternating, Effect.map(stateOf(), (state) => assert.strictEqual(state, "open"))),
        layer({ policy: "rate" })
      )
    })
  })

  it.effect("goes by the rules of a model's entry where it has some", () =>
    Effect.gen(function*() {
      const rules = { ...nothingSaid, failures: 2, openDuration: Duration.seconds(1) }
      const failing = Effect.exit(guard(Effect.fail("broken"), { rules }))
      yield* times(2)(failing)
      assert.strictEqual(yield* stateOf(), "open")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* guard(Effect.succeed("fine"), { rules }), "fine")
      assert.strictEqual(yield* stateOf(), "closed")
    }).pipe(Effect.provide(layer())))

  it.effect("holds what another process told against the rules of the model's entry, be they shorter or longer", () =>
    Effect.gen(function*() {
      const process = Effect.flatMap(
        Layer.build(Layer.fresh(CircuitBreaker.layer(defaultBreakerRules))),
        (context) => Effect.provide(CircuitBreaker, context)
      )
      const [a, b] = [yield* process, yield* process]
      const lasting = (seconds: number) => ({ ...once, openDuration: Duration.seconds(seconds) })
      const waits = (seconds: number) => b.refusal("m", "v1", lasting(seconds))?.retryAfterMs
      yield* Effect.exit(a.guard(Effect.fail("broken"), { ...ids, rules: lasting(60) }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(b.status("m", "v1").state, "open")
      const longer = waits(60) ?? 0
      assert.isTrue(longer > 50_000 && longer <= 60_000, `told to wait ${longer} ms`)
      const shorter = waits(2) ?? 0
      assert.isTrue(shorter > 0 && shorter <= 2_000, `told to wait ${shorter} ms`)
      yield* TestClock.adjust("2 seconds")
      yield* b.guard(Effect.void, { ...ids, rules: lasting(2) })
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.mergeAll(layerMemory, Metrics.layer({ enabled: false }), Logger.layer([])))
    ))

  it.effect("opens by a smaller window than the calls that it needs, when the window is full", () =>
    Effect.gen(function*() {
      yield* times(3)(fail)
      assert.strictEqual(yield* stateOf(), "closed")
      yield* fail
      assert.strictEqual(yield* stateOf(), "open")
    }).pipe(Effect.provide(layer({ policy: "rate", windowCalls: 4, minimumCalls: 20 }))))

  it.effect("tells without an Effect whether it refuses, and for how long", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      assert.isUndefined(breaker.refusal("m", "v1"))
      yield* times(5)(fail)
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(breaker.refusal("m", "v1"), new CircuitOpen({ ...ids, retryAfterMs: 6_000 }))
      yield* TestClock.adjust("6 seconds")
      assert.isUndefined(breaker.refusal("m", "v1"))
      const probe = yield* Effect.forkChild(guard(Effect.never), { startImmediately: true })
      assert.instanceOf(breaker.refusal("m", "v1"), CircuitOpen)
      yield* Fiber.interrupt(probe)
      assert.isUndefined(breaker.refusal("m", "v1"))
    }).pipe(Effect.provide(layer())))

  it.effect("is not probed by what is told of a call that began before it opened", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* times(5)(fail)
      yield* TestClock.adjust("10 seconds")
      yield* breaker.record("failure", "m", "v1")
      assert.strictEqual(yield* guard(Effect.succeed("fine")), "fine")
      assert.strictEqual(yield* stateOf(), "closed")
    }).pipe(Effect.provide(layer())))

  it.effect("is closed by an operator, and calls from before change nothing then", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const answer = yield* Deferred.make<never, string>()
      const late = yield* Effect.forkChild(Effect.exit(guard(Deferred.await(answer), { rules: once })), {
        startImmediately: true
      })
      yield* times(5)(fail)
      breaker.reset("m", "v1")
      assert.strictEqual(yield* stateOf(), "closed")
      yield* Deferred.fail(answer, "broken")
      yield* Fiber.join(late)
      assert.strictEqual(yield* stateOf(), "closed")
      assert.strictEqual(yield* guard(Effect.succeed("fine")), "fine")
    }).pipe(Effect.provide(layer())))

  it.effect("shows how a circuit stands", () =>
    Effect.gen(function*() {
      const { status } = yield* CircuitBreaker
      const standing = () => {
        const { failureRate, failures, openedAtMs, retryAfterMs, state, transitions } = status("m", "v1")
        return [state, failures, failureRate, retryAfterMs, openedAtMs, transitions]
      }
      assert.deepStrictEqual(standing(), ["closed", 0, 0, 0, undefined, 0])
      yield* times(3)(succeed)
      yield* fail
      assert.deepStrictEqual(standing(), ["closed", 1, 0.25, 0, undefined, 0])
      yield* TestClock.adjust("1 second")
      yield* times(4)(fail)
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(standing(), ["open", 5, 0.625, 7_000, 1_000, 1])
    }).pipe(Effect.provide(layer())))

  it.effect("does not flood the log when a model comes and goes: a line in ten seconds, with the count", () => {
    const { lines, logger } = recorded()
    return Effect.gen(function*() {
      const flap = Effect.andThen(fail, Effect.andThen(TestClock.adjust("100 millis"), succeed))
      for (let second = 0; second < 60; second++) {
        yield* times(10)(flap)
        yield* Effect.yieldNow
      }
      yield* TestClock.adjust("20 seconds")
      // 600 times open, half open and closed.
      const summed = lines.map((line) => Number(/changed (\d+) more times/.exec(line)?.[1] ?? 1))
      assert.strictEqual(summed.reduce((total, count) => total + count, 0), 1_800)
      assert.isAtMost(lines.length, 5 + 7)
      assert.match(lines.at(-1) ?? "", /^circuit of m@v1 changed \d+ more times, and is closed now$/)
    }).pipe(Effect.provide(
      CircuitBreaker.layer({ ...defaultBreakerRules, failures: 1, openDuration: Duration.millis(100) }).pipe(
        Layer.provide(CircuitSharing.layerNone),
        Layer.provideMerge(Metrics.layer({ enabled: true })),
        Layer.provide(Logger.layer([logger]))
      )
    ))
  })

  it.effect("tells Prometheus and the log of each transition once", () => {
    const { lines, logger } = recorded()
    const shown = Effect.gen(function*() {
      // The transitions are told aside from the calls.
      yield* Effect.yieldNow
      const { body } = yield* Effect.flatMap(Metrics, ({ render }) => render)
      return body.split("\n").filter((line) => line.startsWith("sluice_circuit") && !line.endsWith(" 0")).sort()
    })
    const labels = `model="m",version="v1"`
    return Effect.gen(function*() {
      yield* Effect.map(Metrics, ({ registerVersion }) => registerVersion("m", "v1"))
      assert.deepStrictEqual(yield* shown, [])
      yield* times(9)(fail)
      assert.deepStrictEqual(yield* shown, [
        `sluice_circuit_state{${labels}} 2`,
        `sluice_circuit_transitions_total{${labels},from="closed",to="open"} 1`
      ])
      yield* TestClock.adjust("10 seconds")
      yield* fail
      yield* TestClock.adjust("10 seconds")
      yield* succeed
      assert.deepStrictEqual(yield* shown, [
        `sluice_circuit_transitions_total{${labels},from="closed",to="open"} 1`,
        `sluice_circuit_transitions_total{${labels},from="half_open",to="closed"} 1`,
        `sluice_circuit_transitions_total{${labels},from="half_open",to="open"} 1`,
        `sluice_circuit_transitions_total{${labels},from="open",to="half_open"} 2`
      ])
      assert.strictEqual(lines.length, 5, lines.join("\n"))
      assert.isTrue(lines.every((line) => line.includes("m@v1")), lines.join("\n"))
    }).pipe(Effect.provide(
      CircuitBreaker.layer(defaultBreakerRules).pipe(
        Layer.provide(CircuitSharing.layerNone),
        Layer.provideMerge(Metrics.layer({ enabled: true })),
        Layer.provide(Logger.layer([logger]))
      )
    ))
  })
})
