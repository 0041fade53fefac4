/**
 * What circuits shared by several processes must do, whatever they are shared over. Each breaker here is one process.
 */
import { assert, describe, type it as vitest } from "@effect/vitest"
import { type BreakerRules, defaultBreakerRules } from "@sluice/core/resilience/BreakerRules"
import { CircuitBreaker } from "@sluice/core/resilience/CircuitBreaker"
import type { CircuitSharing } from "@sluice/core/resilience/CircuitSharing"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import { CircuitOpen } from "@sluice/domain/Errors"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"

export interface SharingSubject<E> {
  readonly layer: Layer.Layer<CircuitSharing, E>
  readonly run: typeof vitest.effect
  /** Lets time pass: the test's own, or a little of the real one. */
  readonly pass: (duration: Duration.Input) => Effect.Effect<void>
}

export const ids = { model: "m", version: "v1" }
/** Short, for it may be real time. */
export const openFor = Duration.millis(600)
const rules: BreakerRules = { ...defaultBreakerRules, failures: 3, openDuration: openFor }

/** The circuits of one process, which writes to this log; they end with the scope. */
export const processIn = (log: Layer.Layer<never>, openDuration = openFor) =>
  Layer.build(
    Layer.fresh(CircuitBreaker.layer({ ...rules, openDuration })).pipe(
      Layer.provide([Metrics.layer({ enabled: false }), log])
    )
  ).pipe(Effect.flatMap((context) => Effect.provide(CircuitBreaker, context)))
export const process = processIn(Logger.layer([]))

type Process = CircuitBreaker["Service"]

const call = <A, E>({ guard }: Process, effect: Effect.Effect<A, E>) => Effect.exit(guard(effect, ids))
export const fail = (process: Process) => call(process, Effect.fail("broken"))
export const trip = (process: Process) => Effect.repeat(fail(process), { times: 2 })

export const circuitSharingConformance = <E>(name: string, { layer, pass, run }: SharingSubject<E>): void => {
  const stands = (process: Process, state: string) =>
    pass("10 millis").pipe(
      Effect.andThen(process.state(ids.model, ids.version)),
      Effect.repeat({ until: (found) => found === state })
    )
  const test = (title: string, body: Effect.Effect<void, unknown, CircuitSharing | Scope.Scope>) =>
    run(title, () => Effect.provide(body, layer))

  describe(name, () => {
    test(
      "opens in every process when it opens in one, with the time that is left",
      Effect.gen(function*() {
        const [a, b] = [yield* process, yield* process]
        yield* trip(a)
        assert.strictEqual(yield* a.state("m", "v1"), "open")
        yield* stands(b, "open")
        const refused = yield* Effect.flip(b.guard(Effect.die(new Error("was called")), ids))
        assert.instanceOf(refused, CircuitOpen)
        assert.isAtMost(refused.retryAfterMs, Duration.toMillis(openFor))
        assert.isUndefined(b.refusal("m", "v2"))
      })
    )

    test(
      "is known to a process that starts later",
      Effect.gen(function*() {
        yield* trip(yield* process)
        yield* pass("20 millis")
        yield* stands(yield* process, "open")
      })
    )

    test(
      "is probed by one call of all processes, and closes in all when that succeeds",
      Effect.gen(function*() {
        const processes = [yield* process, yield* process, yield* process]
        yield* trip(processes[0]!)
        for (const each of processes) yield* stands(each, "open")
        yield* pass(Duration.sum(openFor, Duration.millis(20)))
        let probes = 0
        const answer = yield* Deferred.make<void>()
        const probing = Effect.andThen(Effect.sync(() => probes++), Deferred.await(answer))
        const calls = yield* Effect.forEach(
          Array.from({ length: 30 }, (_, i) => processes[i % 3]!),
          (each) => Effect.forkChild(call(each, probing), { startImmediately: true })
        )
        yield* pass("100 millis")
        // Who was told to wait for the other's probe asks again.
        for (const each of processes) yield* Effect.forkChild(call(each, probing), { startImmediately: true })
        yield* pass("100 millis")
        assert.strictEqual(probes, 1)
        yield* Deferred.succeed(answer, undefined)
        yield* Effect.forEach(calls, Fiber.await)
        for (const each of processes) yield* stands(each, "closed")
      })
    )

    test(
      "opens again in all processes when the probe fails",
      Effect.gen(function*() {
        const [a, b] = [yield* process, yield* process]
        yield* trip(a)
        yield* stands(b, "open")
        yield* pass(Duration.sum(openFor, Duration.millis(20)))
        yield* fail(b)
        assert.strictEqual(yield* b.state("m", "v1"), "open")
        yield* pass("50 millis")
        // Its own time is over too, but what the probe found is newer.
        const refused = yield* Effect.flip(a.guard(Effect.die(new Error("was called")), ids))
        assert.instanceOf(refused, CircuitOpen)
      })
    )

    test(
      "may be probed by another when a probe was given up",
      Effect.gen(function*() {
        const [a, b] = [yield* process, yield* process]
        yield* trip(a)
        yield* stands(b, "open")
        yield* pass(Duration.sum(openFor, Duration.millis(20)))
        const probe = yield* Effect.forkChild(call(a, Effect.never), { startImmediately: true })
        yield* pass("50 millis")
        yield* Fiber.interrupt(probe)
        yield* pass("300 millis")
        yield* b.guard(Effect.void, ids)
        yield* stands(a, "closed")
      })
    )

    test(
      "closes everywhere by an operator's word",
      Effect.gen(function*() {
        const [a, b] = [yield* process, yield* process]
        yield* trip(a)
        yield* stands(b, "open")
        b.reset("m", "v1")
        assert.strictEqual(yield* b.state("m", "v1"), "closed")
        yield* stands(a, "closed")
      })
    )
  })
}
