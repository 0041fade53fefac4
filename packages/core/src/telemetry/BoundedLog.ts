/**
 * The log of what a failing model or a failing Redis makes happen as often as it is called: the first lines of a kind are
 * written, the further ones counted, and told of once in ten seconds.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { LogBursts, summaryIntervalMs } from "./LogBursts.ts"

/**
 * `key` is the kind of line. Writes `line`, or leaves it out and counts it; the `summary` of the last one that was left out
 * is written in its time with their count, and sooner when the scope closes.
 */
export type BoundedLog = (
  key: string,
  line: Effect.Effect<void>,
  summary: (count: number) => Effect.Effect<void>
) => void

export const makeBoundedLog = Effect.gen(function*() {
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const bursts = new LogBursts()
  const due = new Map<string, (count: number) => Effect.Effect<void>>()

  const summarise = (key: string) =>
    Effect.suspend(() => {
      const summary = due.get(key)
      due.delete(key)
      return summary === undefined ? Effect.void : summary(bursts.summary(key))
    })

  yield* Effect.addFinalizer(() => Effect.forEach([...due.keys()], summarise, { discard: true }))

  const log: BoundedLog = (key, line, summary) => {
    const told = bursts.note(key, clock.currentTimeMillisUnsafe())
    if (told === "tell") return void runFork(line)
    due.set(key, summary)
    if (told === "sum") runFork(Effect.forkIn(Effect.delay(summarise(key), summaryIntervalMs), scope))
  }
  return log
})
