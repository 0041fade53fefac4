/**
 * Computes what the cache has not: once for all callers of this process that ask at the same time, and once among the
 * processes that share its store. What was computed is delivered at once and stored aside.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import { randomUUID } from "node:crypto"
import type { ItemOutput } from "../ItemOutput.ts"
import { monotonicReader } from "../Monotonic.ts"
import { CacheStore } from "./CacheStore.ts"
import { type Flight, Flights } from "./Flights.ts"
import type { Judged } from "./Freshness.ts"
import { encodeItemOutput } from "./ItemOutputCodec.ts"
import { awaitOthers, ComputeTimes, shareOut, whileRenewing } from "./SharedComputation.ts"

export type Outcomes<E> = ReadonlyArray<Result.Result<ItemOutput, E>>

/** What is computed, and how it is kept. */
export interface MissRequest<E, R> {
  /** What its computations have in common: they are expected to take alike. */
  readonly kind: string
  /** One result for each key, in their order. */
  readonly compute: (keys: ReadonlyArray<string>) => Effect.Effect<Outcomes<E>, E, R>
  /** Whether an answer that another process computes is as good. */
  readonly shared: boolean
  /** Milliseconds that entries are kept beyond their time. */
  readonly keepStaleMs: number
  readonly read: (key: string, value: Uint8Array | undefined) => Judged | undefined
}

/** One caller's turn to compute: what it leads here, and what it has claimed among the processes. */
interface Turn {
  readonly flights: Map<string, Flight>
  readonly claimed: Set<string>
  /** What is computed, and stored or about to be. */
  readonly storing: Set<string>
  readonly token: string
  readonly clearings: number
}

export const makeMissComputation = Effect.fnUntraced(function*(timeToLive: Duration.Duration) {
  const store = yield* CacheStore
  const scope = yield* Effect.scope
  const now = yield* monotonicReader
  const flights = new Flights()
  const times = new ComputeTimes()
  /** Counted up by `forget`: what was computed before it is not stored after it. */
  let clearings = 0

  const keep = Effect.fnUntraced(function*(
    outputs: ReadonlyMap<string, ItemOutput>,
    turn: Turn,
    keepStaleMs: number
  ) {
    const factor = yield* Random.nextBetween(0.9, 1.1)
    const storedAt = yield* Clock.currentTimeMillis
    if (clearings !== turn.clearings) return
    const freshUntil = storedAt + Duration.toMillis(timeToLive) * factor
    const entryTimes = { storedAt, freshUntil, keptUntil: freshUntil + keepStaleMs }
    const entries = Array.from(outputs, ([key, output]) => ({ key, value: encodeItemOutput(key, output, entryTimes) }))
    yield* Effect.ignore(store.setMany(entries, entryTimes.keptUntil - storedAt))
  })

  const release = (turn: Turn, keys: ReadonlyArray<string>): Effect.Effect<void> => {
    const mine = keys.filter((key) => turn.claimed.delete(key))
    return store.claims === undefined || mine.length === 0
      ? Effect.void
      : Effect.ignore(store.claims.release(mine, turn.token))
  }

  const land = (turn: Turn, keys: Iterable<string>): void => {
    for (const key of keys) {
      const flight = turn.flights.get(key)
      if (flight !== undefined) flights.land(flight)
    }
  }

  const deliver = (turn: Turn, key: string, output: ItemOutput): void => {
    const flight = turn.flights.get(key)
    if (flight !== undefined) flights.deliver(flight, output)
  }

  /** Tells those who wait for these keys what came of them, and stores it aside. */
  const settle = <E>(turn: Turn, keys: ReadonlyArray<string>, outcomes: Outcomes<E>, keepStaleMs: number) => {
    const outputs = new Map<string, ItemOutput>()
    keys.forEach((key, index) => {
      const outcome = outcomes[index]
      if (outcome !== undefined && Result.isSuccess(outcome)) {
        outputs.set(key, outcome.success)
        turn.storing.add(key)
        deliver(turn, key, outcome.success)
      }
    })
    land(turn, keys.filter((key) => !outputs.has(key)))
    // A flight lands only when its output is stored: in between it is found here, so at no moment is it found nowhere.
    const after = Effect.suspend(() => {
      land(turn, outputs.keys())
      return release(turn, keys)
    })
    if (outputs.size === 0) return Effect.forkIn(after, scope)
    return Effect.forkIn(Effect.ensuring(keep(outputs, turn, keepStaleMs), after), scope)
  }

  const computeOwn = <E, R>(request: MissRequest<E, R>, turn: Turn, keys: ReadonlyArray<string>) =>
    Effect.suspend(() => {
      const startedMs = now()
      return Effect.flatMap(request.compute(keys), (outcomes) => {
        times.observe(request.kind, now() - startedMs)
        return outcomes.length === keys.length
          ? Effect.succeed(outcomes)
          : Effect.die(new Error(`${keys.length} items were to be computed and ${outcomes.length} came back`))
      }).pipe(
        Effect.onExit((exit) => settle(turn, keys, Exit.isSuccess(exit) ? exit.value : [], request.keepStaleMs))
      )
    })

  /** The same, but what another process computes is waited for. */
  const computeShared = Effect.fnUntraced(function*<E, R>(
    request: MissRequest<E, R>,
    turn: Turn,
    keys: ReadonlyArray<string>,
    holdMs: number
  ) {
    const { claims } = store
    if (claims === undefined) return yield* computeOwn(request, turn, keys)
    const outcomes = new Map<string, Result.Result<ItemOutput, E>>()
    const take = (found: ReadonlyMap<string, Judged>): void => {
      for (const [key, { stored: { output } }] of found) {
        outcomes.set(key, Result.succeed(output))
        deliver(turn, key, output)
      }
      land(turn, found.keys())
    }
    const computeAll = Effect.fnUntraced(function*(own: ReadonlyArray<string>) {
      const computed = yield* computeOwn(request, turn, own)
      own.forEach((key, index) => computed[index] && outcomes.set(key, computed[index]))
    })
    // Whoever leaves before the reply may have claimed any of them.
    for (const key of keys) turn.claimed.add(key)
    const shares = yield* shareOut(claims, keys, turn.token, holdMs, request.read)
    for (const key of shares.unclaimed) turn.claimed.delete(key)
    take(shares.found)
    yield* Effect.forkIn(release(turn, Array.from(shares.found.keys())), scope)
    // What is one's own comes first: those who wait for each other wait for no longer than the computations.
    if (shares.own.length > 0) {
      yield* whileRenewing(claims, shares.own, turn.token, holdMs, computeAll(shares.own))
    }
    if (shares.others.length > 0) {
      take(yield* awaitOthers(claims, shares.others, request.read))
      const left = shares.others.filter((key) => !outcomes.has(key))
      if (left.length > 0) yield* computeAll(left)
    }
    return keys.flatMap((key) => outcomes.get(key) ?? [])
  })

  return {
    flights,
    /** As the leader of every key that has none. */
    compute: <E, R>(request: MissRequest<E, R>, keys: ReadonlyArray<string>): Effect.Effect<Outcomes<E>, E, R> =>
      Effect.acquireUseRelease(
        Effect.sync((): Turn => {
          const led = keys.flatMap((key) => flights.claim(key) ?? [])
          const token = store.claims === undefined ? "" : randomUUID()
          return {
            flights: new Map(led.map((flight) => [flight.key, flight])),
            claimed: new Set(),
            storing: new Set(),
            token,
            clearings
          }
        }),
        (turn) => {
          const holdMs = request.shared && store.claims !== undefined ? times.holdMs(request.kind) : undefined
          return holdMs === undefined
            ? computeOwn(request, turn, keys)
            : computeShared(request, turn, keys, holdMs)
        },
        // Whoever left in between keeps nobody waiting. What was computed lands by itself when it is stored.
        (turn, exit) =>
          Effect.suspend(() => {
            if (Exit.isSuccess(exit)) return Effect.void
            const abandoned = keys.filter((key) => !turn.storing.has(key))
            land(turn, abandoned)
            return Effect.forkIn(release(turn, abandoned), scope)
          })
      ),
    /** New callers find none of these keys' computations, and what is under way is not stored. */
    forget: (prefix: string): void => {
      clearings++
      flights.forget(prefix)
    }
  }
})
