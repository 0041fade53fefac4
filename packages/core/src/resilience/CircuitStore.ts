/**
 * The circuits of this process. Effect's store in memory decides; beside it stands what can be asked without an Effect, and what
 * the other processes have found out.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Breaker from "effect/persistence/CircuitBreaker"
import type { CircuitState } from "../telemetry/VersionMeters.ts"
import type { CircuitNews, ProbeClaim } from "./CircuitSharing.ts"

/** What a circuit is of: a version of a model, or a server that calls are forwarded to. */
export type CircuitKind = "model" | "upstream"

export type CircuitKey = `${CircuitKind}:${string}`

export const circuitKey = (kind: CircuitKind, name: string): CircuitKey => `${kind}:${name}`

export interface CircuitStatus {
  readonly key: string
  readonly state: CircuitState
  /** Until a call may probe; 0 where one may now. */
  readonly retryAfterMs: number
  /** Milliseconds since 1970; undefined while it is closed. */
  readonly openedAtMs: number | undefined
  /** Changes of its state since the start. */
  readonly transitions: number
  /** In a row, until now. */
  readonly failures: number
  /** Of the last calls that were counted, 0 to 1. */
  readonly failureRate: number
}

export interface CircuitChange {
  readonly key: string
  readonly from: CircuitState
  readonly to: CircuitState
  readonly retryAfterMs: number
  /** Whether this process found out, and the others are to be told. */
  readonly isOwn: boolean
}

export interface CircuitStoreOptions {
  readonly now: () => number
  /** How long is waited for while another call probes. */
  readonly probeWaitMs: number
  /** How long a circuit is open in milliseconds, where nothing else is known of it: see `openFor`. */
  readonly openForMs: number
  readonly onChange: (change: CircuitChange) => void
  /** Asks whether this process may probe; undefined where there is no other. */
  readonly claimProbe: ((key: string) => Effect.Effect<ProbeClaim>) | undefined
  /** A probe ended, and said nothing. */
  readonly onProbeIgnored: (key: string) => void
}

/** Calls of which the rate of failures is shown. */
const ratedCalls = 100

interface Circuit {
  readonly key: string
  /** Counted up when what the memory has of it is over: by word of another process, or of an operator. */
  epoch: number
  state: CircuitState
  openUntilMs: number
  /** When another process' word opened it; undefined where this one's own did. */
  heardAtMs: number | undefined
  /** How long its rules let it be open. */
  openForMs: number
  openedAtMs: number | undefined
  transitions: number
  failures: number
  /** Of the last calls: whether they failed. */
  readonly recent: Array<boolean>
  isClaiming: boolean
  probe: number | undefined
}

const newCircuit = (key: string, openForMs: number): Circuit => ({
  key,
  epoch: 0,
  state: "closed",
  openUntilMs: 0,
  heardAtMs: undefined,
  openForMs,
  openedAtMs: undefined,
  transitions: 0,
  failures: 0,
  recent: [],
  isClaiming: false,
  probe: undefined
})

const states: Readonly<Record<Breaker.State["_tag"], CircuitState>> = {
  Closed: "closed",
  HalfOpen: "half_open",
  Open: "open"
}

export const makeCircuitStore = Effect.fnUntraced(function*(options: CircuitStoreOptions) {
  const { claimProbe, now, onChange, onProbeIgnored, openForMs, probeWaitMs } = options
  const memory = yield* Breaker.CircuitBreakerStore.pipe(
    Effect.provide(Layer.fresh(Breaker.layerStoreMemory()))
  )
  const circuits = new Map<string, Circuit>()

  const circuitOf = (key: string): Circuit => {
    const known = circuits.get(key)
    if (known !== undefined) return known
    const circuit = newCircuit(key, openForMs)
    circuits.set(key, circuit)
    return circuit
  }

  const memoryKey = ({ epoch, key }: Circuit): string => `${epoch} ${key}`

  const move = (circuit: Circuit, to: CircuitState, retryAfterMs: number, isOwn: boolean): void => {
    const from = circuit.state
    circuit.state = to
    circuit.openUntilMs = now() + retryAfterMs
    circuit.heardAtMs = undefined
    if (to === "closed") {
      circuit.failures = 0
      circuit.recent.length = 0
      circuit.openedAtMs = undefined
    }
    if (from === to) return
    if (to === "open") circuit.openedAtMs = now()
    circuit.transitions++
    onChange({ key: circuit.key, from, to, retryAfterMs, isOwn })
  }

  /** What the memory did, here. */
  const follow = (circuit: Circuit, transition: Breaker.Transition | undefined): Breaker.Transition | undefined => {
    if (transition === undefined) return undefined
    move(
      circuit,
      states[transition.to],
      transition.to === "Open" ? Duration.toMillis(transition.retryAfter) : 0,
      true
    )
    return { ...transition, key: circuit.key }
  }

  const refuse = (reason: Breaker.CircuitBreakerErrorReason) => Effect.fail(new Breaker.CircuitBreakerError({ reason }))

  const enter = (circuit: Circuit) =>
    Effect.map(memory.admit(memoryKey(circuit)), (admission): Breaker.Admission => {
      const transition = follow(circuit, admission.transition)
      if (admission.probe) circuit.probe = admission.generation
      // The memory forgets a circuit that nobody called for an hour.
      else if (circuit.state !== "closed") move(circuit, "closed", 0, false)
      return { ...admission, transition }
    })

  /** Until a call may be let through, in milliseconds; undefined where one may now. */
  const waitMs = (circuit: Circuit): number | undefined => {
    if (circuit.state === "closed") return undefined
    const { heardAtMs, openForMs, openUntilMs } = circuit
    // What was heard holds no longer than the circuit's own rules would.
    const untilMs = heardAtMs === undefined ? openUntilMs : Math.min(openUntilMs, heardAtMs + openForMs)
    const leftMs = untilMs - now()
    if (leftMs > 0) return leftMs
    return circuit.isClaiming || circuit.probe !== undefined ? probeWaitMs : undefined
  }

  const admit = (key: string): ReturnType<typeof memory.admit> =>
    Effect.suspend(() => {
      const circuit = circuitOf(key)
      const left = waitMs(circuit)
      if (left !== undefined) return refuse(new Breaker.CircuitOpen({ key, retryAfter: Duration.millis(left) }))
      if (circuit.state === "closed" || claimProbe === undefined) return enter(circuit)
      circuit.isClaiming = true
      return claimProbe(key).pipe(
        Effect.ensuring(Effect.sync(() => {
          circuit.isClaiming = false
        })),
        Effect.flatMap((claim) => {
          if (claim._tag === "Granted") return enter(circuit)
          if (claim._tag === "Held") {
            circuit.openUntilMs = now() + claim.retryAfterMs
            circuit.heardAtMs = undefined
            return admit(key)
          }
          const { news } = claim
          // Its time is over already, so this process may as well probe.
          if (news.state === "open" && news.openForMs <= 0) return enter(circuit)
          return Effect.andThen(hear(news), admit(key))
        })
      )
    })

  const count = (circuit: Circuit, outcome: "Success" | "Failure" | "Ignored"): void => {
    if (outcome === "Ignored") return
    circuit.failures = outcome === "Failure" ? circuit.failures + 1 : 0
    circuit.recent.push(outcome === "Failure")
    if (circuit.recent.length > ratedCalls) circuit.recent.shift()
  }

  const record: typeof memory.record = (recorded) =>
    Effect.suspend(() => {
      const circuit = circuitOf(recorded.key)
      const wasProbe = circuit.probe === recorded.generation
      if (wasProbe) circuit.probe = undefined
      count(circuit, recorded.outcome)
      return Effect.map(memory.record({ ...recorded, key: memoryKey(circuit) }), (transition) => {
        if (wasProbe && recorded.outcome === "Ignored") onProbeIgnored(circuit.key)
        return follow(circuit, transition)
      })
    })

  /** Begins a circuit anew: what was admitted before changes nothing any more. */
  const beginAnew = (circuit: Circuit): void => {
    circuit.epoch++
    circuit.probe = undefined
  }

  const close = (key: string, isOwn: boolean): void => {
    const circuit = circuitOf(key)
    beginAnew(circuit)
    move(circuit, "closed", 0, isOwn)
  }

  /** Takes over what another process has found out. */
  const hear = (news: CircuitNews): Effect.Effect<void> =>
    Effect.gen(function*() {
      const { key } = news
      if (news.state === "closed") return close(key, false)
      if (news.openForMs <= 0) return
      const circuit = circuitOf(key)
      beginAnew(circuit)
      const { generation } = yield* memory.admit(memoryKey(circuit))
      const tripPolicy = Breaker.consecutive(1)
      // How long it is open is counted here.
      const openFor = Duration.zero
      yield* memory.record({ key: memoryKey(circuit), generation, outcome: "Failure", tripPolicy, openFor })
      move(circuit, "open", Math.min(news.openForMs, circuit.openForMs), false)
      circuit.openUntilMs = now() + news.openForMs
      circuit.heardAtMs = now()
    }).pipe(Effect.scoped, Effect.orDie)

  const statusOf = (circuit: Circuit): CircuitStatus => ({
    key: circuit.key,
    state: circuit.state,
    retryAfterMs: Math.ceil(waitMs(circuit) ?? 0),
    openedAtMs: circuit.openedAtMs,
    transitions: circuit.transitions,
    failures: circuit.failures,
    failureRate: circuit.recent.length === 0
      ? 0
      : circuit.recent.filter((failed) => failed).length / circuit.recent.length
  })

  return {
    store: Breaker.CircuitBreakerStore.of({
      admit,
      record,
      state: (key) => Effect.suspend(() => memory.state(memoryKey(circuitOf(key))))
    }),
    /** For how long a call would be refused now, in milliseconds; undefined where it would not. */
    refusedForMs: (key: string): number | undefined => {
      const circuit = circuits.get(key)
      return circuit === undefined ? undefined : waitMs(circuit)
    },
    hear,
    /** Says how long the circuit's rules let it be open: for no longer does it go by what it heard. */
    openFor: (key: string, ms: number): void => {
      const circuit = circuits.get(key)
      if (circuit !== undefined) circuit.openForMs = ms
    },
    /** Closes a circuit by an operator's word. */
    reset: (key: string): void => close(key, true),
    /** How a circuit stands: closed where it never was called. */
    status: (key: string): CircuitStatus => statusOf(circuits.get(key) ?? newCircuit(key, openForMs)),
    /** Those that were called. */
    statuses: (): ReadonlyArray<CircuitStatus> => [...circuits.values()].map(statusOf)
  }
})

export type CircuitStore = Effect.Success<ReturnType<typeof makeCircuitStore>>
