/**
 * A circuit per model version: after failures it is not called for a while, then probed once. Effect's breaker decides;
 * this gives it our error, our counters and one line in the log a transition.
 */
import { CircuitOpen } from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Breaker from "effect/persistence/CircuitBreaker"
import * as Stream from "effect/Stream"
import { type CircuitState, Metrics } from "../telemetry/Metrics.ts"

/** What a call says of the model's health. `ignored`: nothing, as when the caller left or sent what no model could take. */
export type CallOutcome = "success" | "failure" | "ignored"

/** When a closed circuit opens: after so many failures in a row, or at a share of failures among the last `size` calls. */
export type TripPolicy =
  | { readonly type: "consecutive"; readonly failures: number }
  | { readonly type: "rate"; readonly threshold: number; readonly size: number; readonly minimumCalls: number }

export interface CircuitBreakerConfig {
  readonly policy: TripPolicy
  /** How long an open circuit refuses before it lets one call through to probe. */
  readonly openDuration: Duration.Input
}

export const defaultCircuitBreakerConfig: CircuitBreakerConfig = {
  policy: { type: "consecutive", failures: 5 },
  openDuration: "10 seconds"
}

export interface GuardOptions<A, E> {
  readonly model: string
  readonly version: string
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
  readonly isClear: (model: string, version: string) => boolean
  /** Tells the circuit what came of a call that went without `guard`. */
  readonly record: (outcome: CallOutcome, model: string, version: string) => Effect.Effect<void>
  readonly state: (model: string, version: string) => Effect.Effect<CircuitState>
}>()("sluice/CircuitBreaker") {
  /** State is this process's own. */
  static readonly layer = (config: CircuitBreakerConfig): Layer.Layer<CircuitBreaker, never, Metrics> =>
    Layer.effect(CircuitBreaker, make(config)).pipe(Layer.provide(Breaker.layerStoreMemory()))
}

const tripPolicyOf = (policy: TripPolicy): Breaker.TripPolicy =>
  policy.type === "consecutive" ? Breaker.consecutive(policy.failures) : Breaker.rate(policy)

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

const states: Readonly<Record<Breaker.State["_tag"], CircuitState>> = {
  Closed: "closed",
  HalfOpen: "half_open",
  Open: "open"
}

/** Model and version of a circuit's key. No name has an `@` in it. */
const idsOf = (key: string): readonly [model: string, version: string] => {
  const at = key.indexOf("@")
  return [key.slice(0, at), key.slice(at + 1)]
}

const make = Effect.fnUntraced(function*(config: CircuitBreakerConfig) {
  const metrics = yield* Metrics
  const openDuration = Duration.fromInputUnsafe(config.openDuration)
  const halfOpenWaitMs = Math.min(probeWaitMs, Duration.toMillis(openDuration))
  const breaker = yield* Breaker.make({ tripPolicy: tripPolicyOf(config.policy), openDuration })

  /** The circuits with a failure on record, and those that are not closed. */
  const disturbed = new Set<string>()
  const note = (key: string, outcome: CallOutcome): CallOutcome => {
    if (outcome === "failure") disturbed.add(key)
    else if (outcome === "success") disturbed.delete(key)
    return outcome
  }

  const report = (transition: Breaker.Transition): Effect.Effect<void> => {
    const [model, version] = idsOf(transition.key)
    if (transition.to !== "Closed") disturbed.add(transition.key)
    metrics.recorder(model, version).circuitTransition(states[transition.from], states[transition.to])
    switch (transition.to) {
      case "Open":
        return Effect.logWarning(
          `circuit of ${transition.key} opened: not called for ${Duration.format(transition.retryAfter)}`
        )
      case "HalfOpen":
        return Effect.logInfo(`circuit of ${transition.key} is half open: one call probes it`)
      case "Closed":
        return Effect.logInfo(`circuit of ${transition.key} closed`)
    }
  }
  yield* Effect.forkScoped(Stream.runForEach(breaker.transitions, report), { startImmediately: true })

  return CircuitBreaker.of({
    guard: <A, E, R>(
      effect: Effect.Effect<A, E, R>,
      { classify = everyFailure, model, version }: GuardOptions<A, E>
    ) => {
      const key = modelId(model, version)
      return breaker.execute(effect, { key, classify: (exit) => outcomeOf(note(key, classify(exit))) }).pipe(
        Effect.catchIf(
          (error): error is Breaker.CircuitBreakerError => error instanceof Breaker.CircuitBreakerError,
          ({ reason }): Effect.Effect<never, CircuitOpen> => {
            switch (reason._tag) {
              case "CircuitOpen":
                return Effect.fail(
                  new CircuitOpen({ model, version, retryAfterMs: Math.ceil(Duration.toMillis(reason.retryAfter)) })
                )
              case "CircuitHalfOpen":
                return Effect.fail(new CircuitOpen({ model, version, retryAfterMs: halfOpenWaitMs }))
              case "CircuitBreakerStoreError":
                return Effect.die(reason)
            }
          }
        )
      )
    },
    isClear: (model, version) =>
      config.policy.type === "consecutive" && (disturbed.size === 0 || !disturbed.has(modelId(model, version))),
    record: (outcome, model, version) => {
      const key = modelId(model, version)
      note(key, outcome)
      // An open circuit learns nothing from a call that began before it opened.
      return Effect.ignore(breaker.execute(Effect.void, { key, classify: () => outcomeOf(outcome) }))
    },
    state: (model, version) =>
      breaker.state(modelId(model, version)).pipe(
        Effect.map(({ _tag }) => states[_tag]),
        Effect.orDie
      )
  })
})
