/**
 * A circuit per model version: after failures it is not called for a while, then probed once. Effect's breaker decides; this
 * gives it our error, our counters, the log, and the other processes where there are any.
 */
import { CircuitOpen } from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Breaker from "effect/persistence/CircuitBreaker"
import * as Scope from "effect/Scope"
import { makeBoundedLog } from "../telemetry/BoundedLog.ts"
import { type CircuitState, Metrics } from "../telemetry/Metrics.ts"
import { type BreakerEntry, type BreakerRules, rulesOf, tripPolicyOf } from "./BreakerRules.ts"
import { makeCircuitExchange } from "./CircuitExchange.ts"
import { CircuitSharing } from "./CircuitSharing.ts"
import { type CircuitChange, circuitKey, type CircuitStatus, makeCircuitStore } from "./CircuitStore.ts"

/** What a call says of the model's health. `ignored`: nothing, as when the caller left or sent what no model could take. */
export type CallOutcome = "success" | "failure" | "ignored"

export interface GuardOptions<A, E> {
  readonly model: string
  readonly version: string
  /** What the model's entry says of its circuits; changed, it begins its counts anew. */
  readonly rules?: BreakerEntry | undefined
  /** Without it every failure and defect counts, and an interruption does not. An interruption alone never does. */
  readonly classify?: (exit: Exit.Exit<A, E>) => CallOutcome
}

/** How long to wait while a probe runs, at most: it takes as long as one call. */
const probeWaitMs = 1_000

export class CircuitBreaker extends Context.Service<CircuitBreaker, {
  /** Runs the effect, or fails at once while the version's circuit is open. */
  readonly guard: <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options: GuardOptions<A, E>
  ) => Effect.Effect<A, E | CircuitOpen, R>
  /**
   * Whether the version's circuit is closed with no failure on record: then a success would tell it nothing, and a call
   * needs no `guard` if what else comes of it is told to `record`. Never under a rate policy, which counts successes too.
   */
  readonly isClear: (model: string, version: string, rules?: BreakerEntry) => boolean
  /** What `guard` would fail with now; undefined where it would let a call through. */
  readonly refusal: (model: string, version: string, rules?: BreakerEntry) => CircuitOpen | undefined
  /** Tells the circuit what came of a call that went without `guard`. */
  readonly record: (outcome: CallOutcome, model: string, version: string, rules?: BreakerEntry) => Effect.Effect<void>
  readonly state: (model: string, version: string) => Effect.Effect<CircuitState>
  /** How a version's circuit stands: closed where it never was called. */
  readonly status: (model: string, version: string) => CircuitStatus
  /** Closes a circuit, here and in the other processes. */
  readonly reset: (model: string, version: string) => void
  readonly rulesOf: (rules: BreakerEntry | undefined) => BreakerRules
}>()("sluice/CircuitBreaker") {
  /** On this process' own circuits, and what others share. */
  static readonly layer = (rules: BreakerRules): Layer.Layer<CircuitBreaker, never, Metrics | CircuitSharing> =>
    Layer.effect(CircuitBreaker, make(rules))
}

const outcomeOf = (outcome: CallOutcome): Breaker.Outcome => {
  switch (outcome) {
    case "success":
      return Breaker.success
    case "failure":
      return Breaker.failure()
    case "ignored":
      return Breaker.ignored
  }
}

/** Every failure and defect counts; that a caller left says nothing. */
const everyFailure = (exit: Exit.Exit<unknown, unknown>): CallOutcome =>
  Exit.isSuccess(exit) ? "success" : Cause.hasInterruptsOnly(exit.cause) ? "ignored" : "failure"

const keyOf = (model: string, version: string): string => circuitKey("model", modelId(model, version))

/** What a circuit's key stands for. No name has a `:` or an `@` in it. */
const namesIn = (key: string): readonly [id: string, model: string, version: string] => {
  const id = key.slice(key.indexOf(":") + 1)
  const at = id.indexOf("@")
  return [id, id.slice(0, at), id.slice(at + 1)]
}

const sentenceOf = (id: string, { retryAfterMs, to }: CircuitChange): string => {
  switch (to) {
    case "open":
      return `circuit of ${id} opened: not called for ${Duration.format(Duration.millis(Math.ceil(retryAfterMs)))}`
    case "half_open":
      return `circuit of ${id} is half open: one call probes it`
    case "closed":
      return `circuit of ${id} closed`
  }
}

const make = Effect.fnUntraced(function*(defaults: BreakerRules) {
  const metrics = yield* Metrics
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const now = (): number => clock.currentTimeMillisUnsafe()
  const peer = yield* (yield* CircuitSharing).join
  const log = yield* makeBoundedLog
  const exchange = peer === undefined ? undefined : yield* makeCircuitExchange(peer, now, log)

  /** The circuits with a failure on record, and those that are not closed. */
  const disturbed = new Set<string>()
  const note = (key: string, outcome: CallOutcome): CallOutcome => {
    if (outcome === "failure") disturbed.add(key)
    else if (outcome === "success") disturbed.delete(key)
    return outcome
  }

  const onChange = (change: CircuitChange): void => {
    const { from, key, to } = change
    const [id, model, version] = namesIn(key)
    if (to === "closed") disturbed.delete(key)
    else disturbed.add(key)
    metrics.recorder(model, version).circuitTransition(from, to)
    exchange?.changed(change)
    const sentence = sentenceOf(id, change) + (change.isOwn ? "" : ", as another process found")
    log(key, to === "open" ? Effect.logWarning(sentence) : Effect.logInfo(sentence), (count) => {
      const state = circuits.status(key).state.replace("_", " ")
      return Effect.logWarning(`circuit of ${id} changed ${count} more times, and is ${state} now`)
    })
  }

  const circuits = yield* makeCircuitStore({
    now,
    probeWaitMs: Math.min(probeWaitMs, Duration.toMillis(defaults.openDuration)),
    openForMs: Duration.toMillis(defaults.openDuration),
    onChange,
    claimProbe: exchange?.claimProbe,
    onProbeIgnored: (key) => exchange?.probeIgnored(key)
  })
  if (exchange !== undefined) {
    yield* Effect.forkScoped(exchange.run(circuits.hear), { startImmediately: true })
  }

  const makeBreaker = (rules: BreakerRules) =>
    Breaker.make({ tripPolicy: tripPolicyOf(rules), openDuration: rules.openDuration }).pipe(
      Effect.provideService(Breaker.CircuitBreakerStore, circuits.store)
    )
  const ofDefaults = yield* makeBreaker(defaults)
  /** By their rules. There are no more than registries had different ones. */
  const others = new Map<string, Breaker.CircuitBreaker>()
  const breakerOf = (entry: BreakerEntry | undefined): Effect.Effect<Breaker.CircuitBreaker> => {
    if (entry === undefined) return Effect.succeed(ofDefaults)
    const rules = rulesOf(defaults, entry)
    const id = JSON.stringify(rules)
    const known = others.get(id)
    return known !== undefined ? Effect.succeed(known) : makeBreaker(rules).pipe(
      Effect.provideService(Scope.Scope, scope),
      Effect.tap((breaker) => Effect.sync(() => others.set(id, breaker)))
    )
  }

  /** What another process told of this circuit is held against these rules. */
  const goBy = (key: string, entry: BreakerEntry | undefined): void => {
    if (disturbed.has(key)) circuits.openFor(key, Duration.toMillis(entry?.openDuration ?? defaults.openDuration))
  }

  const refusal = (model: string, version: string, entry?: BreakerEntry): CircuitOpen | undefined => {
    const key = keyOf(model, version)
    goBy(key, entry)
    const waitMs = disturbed.has(key) ? circuits.refusedForMs(key) : undefined
    return waitMs === undefined ? undefined : new CircuitOpen({ model, version, retryAfterMs: Math.ceil(waitMs) })
  }

  return CircuitBreaker.of({
    guard: <A, E, R>(
      effect: Effect.Effect<A, E, R>,
      { classify = everyFailure, model, rules, version }: GuardOptions<A, E>
    ) => {
      const key = keyOf(model, version)
      return Effect.flatMap(
        Effect.suspend(() => {
          goBy(key, rules)
          return breakerOf(rules)
        }),
        (breaker) => breaker.execute(effect, { key, classify: (exit) => outcomeOf(note(key, classify(exit))) })
      ).pipe(
        Effect.catchIf(
          (error): error is Breaker.CircuitBreakerError => error instanceof Breaker.CircuitBreakerError,
          ({ reason }): Effect.Effect<never, CircuitOpen> => {
            switch (reason._tag) {
              case "CircuitOpen":
                return Effect.fail(
                  new CircuitOpen({ model, version, retryAfterMs: Math.ceil(Duration.toMillis(reason.retryAfter)) })
                )
              case "CircuitHalfOpen":
                return Effect.fail(new CircuitOpen({ model, version, retryAfterMs: probeWaitMs }))
              case "CircuitBreakerStoreError":
                return Effect.die(reason)
            }
          }
        )
      )
    },
    isClear: (model, version, entry) =>
      (entry?.policy ?? defaults.policy) === "consecutive" &&
      (disturbed.size === 0 || !disturbed.has(keyOf(model, version))),
    refusal,
    record: (outcome, model, version, entry) => {
      const key = keyOf(model, version)
      return Effect.suspend(() => {
        // A circuit that opened learns nothing from a call that began before; least of all is it a probe.
        if (circuits.status(key).state !== "closed") return Effect.void
        note(key, outcome)
        return Effect.flatMap(
          breakerOf(entry),
          (breaker) => Effect.ignore(breaker.execute(Effect.void, { key, classify: () => outcomeOf(outcome) }))
        )
      })
    },
    state: (model, version) => Effect.sync(() => circuits.status(keyOf(model, version)).state),
    status: (model, version) => circuits.status(keyOf(model, version)),
    reset: (model, version) => circuits.reset(keyOf(model, version)),
    rulesOf: (entry) => rulesOf(defaults, entry)
  })
})
