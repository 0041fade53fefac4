/**
 * Circuits shared by those that join in this process: for tests, beside Redis.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type CircuitNews, type CircuitPeer, CircuitSharing, heldRetryMs, probeLeaseMs } from "./CircuitSharing.ts"

interface Told {
  readonly by: number
  readonly revision: number
  readonly state: CircuitNews["state"]
  readonly openUntilMs: number
}

interface Lease {
  readonly by: number
  readonly untilMs: number
}

const newsOf = (key: string, { openUntilMs, state }: Told, nowMs: number): CircuitNews =>
  state === "open" ? { key, state, openForMs: Math.max(0, openUntilMs - nowMs) } : { key, state }

export const layerMemory: Layer.Layer<CircuitSharing> = Layer.sync(CircuitSharing, () => {
  const circuits = new Map<string, Told>()
  const leases = new Map<string, Lease>()
  let revision = 0
  let peers = 0

  const join = (): CircuitPeer => {
    const own = ++peers
    let known = 0
    const release = (key: string): void => {
      if (leases.get(key)?.by === own) leases.delete(key)
    }
    return {
      publish: (news) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          const openUntilMs = news.state === "open" ? nowMs + news.openForMs : 0
          circuits.set(news.key, { by: own, revision: ++revision, state: news.state, openUntilMs })
          release(news.key)
        }),
      changes: Effect.map(Clock.currentTimeMillis, (nowMs) => {
        const since = known
        known = revision
        return [...circuits].filter(([, told]) => told.revision > since && told.by !== own)
          .map(([key, told]) => newsOf(key, told, nowMs))
      }),
      claimProbe: (key) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          const told = circuits.get(key)
          if (told !== undefined && told.by !== own && told.revision > known) {
            return { _tag: "Changed", news: newsOf(key, told, nowMs) }
          }
          const lease = leases.get(key)
          if (lease !== undefined && lease.by !== own && lease.untilMs > nowMs) {
            return { _tag: "Held", retryAfterMs: Math.min(heldRetryMs, lease.untilMs - nowMs) }
          }
          leases.set(key, { by: own, untilMs: nowMs + probeLeaseMs })
          return { _tag: "Granted" }
        }),
      releaseProbe: (key) => Effect.sync(() => release(key))
    }
  }
  return CircuitSharing.of({ join: Effect.sync(join) })
})
