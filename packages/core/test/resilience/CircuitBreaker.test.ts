import { assert, describe, it } from "@effect/vitest"
import { CircuitOpen } from "@sluice/domain/Errors"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import {
  type CallOutcome,
  CircuitBreaker,
  type CircuitBreakerConfig,
  defaultCircuitBreakerConfig
} from "../../src/resilience/CircuitBreaker.ts"
import { Metrics } from "../../src/telemetry/Metrics.ts"

const ids = { model: "m", version: "v1" }
const layer = (config: CircuitBreakerConfig = defaultCircuitBreakerConfig) =>
  CircuitBreaker.layer(config).pipe(
    Layer.provideMerge(Metrics.layer({ enabled: true })),
    Layer.provide(Logger.layer([]))
  )

const guard = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: { readonly version?: string; readonly classify?: (exit: Exit.Exit<A, E>) => CallOutcome } = {}
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
      policy: { type: "rate", threshold: 0.5, size: 8, minimumCalls: 8 },
      openDuration: "2 seconds"
    }))))

  it.effect("tells Prometheus and the log of each transition once", () => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => {
      lines.push(String(message))
    })
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
      CircuitBreaker.layer(defaultCircuitBreakerConfig).pipe(
        Layer.provideMerge(Metrics.layer({ enabled: true })),
        Layer.provide(Logger.layer([logger]))
      )
    ))
  })
})
