/**
 * A session that is made anew when it holds much more memory than its runs need: the one way to get back from
 * onnxruntime-node what a large run took, short of runs that are half again as slow.
 */
import type { PluginContext, PluginError } from "@sluice/plugin-sdk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Ort from "onnxruntime-node"
import { afterRun, isWasteful, unused } from "./ArenaUse.ts"

type Feeds = Record<string, Ort.Tensor>

export interface RenewedSession {
  /** The first session: all that follow have its inputs and outputs. */
  readonly session: Ort.InferenceSession
  /** Not to be called while it runs. */
  readonly run: (feeds: Feeds, fetches: ReadonlyArray<string>) => Promise<Ort.InferenceSession.ReturnType>
}

/** How often it is looked at. */
const lookEvery = "10 seconds"

const elementsOf = (feeds: Feeds): number => Object.values(feeds).reduce((sum, { size }) => sum + size, 0)

/** The session that `create` makes, and its successors; the last is released with the scope. */
export const openRenewed = Effect.fnUntraced(function*(
  create: Effect.Effect<Ort.InferenceSession, PluginError>,
  release: (session: Ort.InferenceSession) => Effect.Effect<void>,
  log: PluginContext["log"]
): Effect.fn.Return<RenewedSession, PluginError, Scope.Scope> {
  const clock = yield* Clock.Clock
  const nowMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const first = yield* create
  let current = first
  let running: Promise<unknown> = Promise.resolve()
  let use = unused
  yield* Effect.addFinalizer(() => Effect.suspend(() => release(current)))

  const renew = Effect.gen(function*() {
    const held = Math.round(use.grownBytes / 1024 / 1024)
    const fresh = yield* create
    const former = current
    current = fresh
    use = unused
    yield* Effect.promise(() => running)
    yield* release(former)
    log("debug", `a session held ${held} MiB for runs that are long past, and was made anew`)
  }).pipe(
    Effect.catch((error) =>
      Effect.sync(() => {
        use = { ...use, neededAtMs: nowMs() }
        log("warn", `a session that holds much memory could not be made anew: ${error.reason}`)
      })
    ),
    Effect.uninterruptible
  )
  const look = Effect.suspend(() => isWasteful(use, nowMs()) ? renew : Effect.void)
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(lookEvery), look)))

  const run: RenewedSession["run"] = async (feeds, fetches) => {
    const elements = elementsOf(feeds)
    const residentBytes = elements > use.largest ? process.memoryUsage.rss() : 0
    const results = current.run(feeds, fetches)
    running = results.then(() => undefined, () => undefined)
    const outputs = await results
    const grownBytes = residentBytes === 0 ? 0 : process.memoryUsage.rss() - residentBytes
    use = afterRun(use, { elements, grownBytes, nowMs: nowMs() })
    return outputs
  }
  return { session: first, run }
}, Effect.uninterruptible)
