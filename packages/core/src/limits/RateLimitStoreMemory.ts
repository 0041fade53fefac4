/**
 * Limits counted in this process: each process has the whole of every limit to itself.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { monotonicReader } from "../Monotonic.ts"
import { type LimitState, type LimitTake, RateLimitStore } from "./RateLimitStore.ts"
import { SlidingWindow } from "./SlidingWindow.ts"
import { SlotLeases } from "./SlotLeases.ts"

/** How often windows and slots that nobody uses any more are looked for, in milliseconds. */
const sweepMs = 60_000

/** `now` is monotonic, in milliseconds. */
export const memoryStore = (now: () => number): RateLimitStore["Service"] => {
  const windows = new Map<string, SlidingWindow>()
  const slots = new Map<string, SlotLeases>()
  let sweepAtMs = now() + sweepMs

  const sweep = (nowMs: number): void => {
    sweepAtMs = nowMs + sweepMs
    for (const [key, window] of windows) if (window.isEmpty(nowMs)) windows.delete(key)
    for (const [key, leases] of slots) if (leases.used(nowMs) === 0) slots.delete(key)
  }

  const look = (take: LimitTake, nowMs: number): LimitState => {
    if (take.kind === "window") {
      const window = windows.get(take.key) ?? new SlidingWindow(take.windowMs)
      return window.look(nowMs, take.amount, take.need)
    }
    const used = slots.get(take.key)?.used(nowMs) ?? 0
    return { fits: used < take.amount, used, backMs: 0, waitMs: 0 }
  }

  const hold = (key: string, lease: string, expiresAtMs: number): void => {
    const leases = slots.get(key) ?? new SlotLeases()
    slots.set(key, leases)
    leases.hold(lease, expiresAtMs)
  }

  /** Takes what fits, and gives the state after it. */
  const commit = (take: LimitTake, lease: string, state: LimitState, nowMs: number): LimitState => {
    if (take.kind === "slot") {
      hold(take.key, lease, nowMs + take.leaseMs)
      return { ...state, used: state.used + 1 }
    }
    if (take.take === 0) return state
    const window = windows.get(take.key) ?? new SlidingWindow(take.windowMs)
    windows.set(take.key, window)
    window.add(nowMs, take.amount, take.take)
    return { ...state, used: state.used + take.take, backMs: state.used === 0 ? take.windowMs : state.backMs }
  }

  return RateLimitStore.of({
    take: (takes, lease, answer) => {
      const nowMs = now()
      if (nowMs >= sweepAtMs) sweep(nowMs)
      const before = takes.map((take) => look(take, nowMs))
      const allowed = before.every(({ fits }) => fits)
      const states = allowed ? takes.map((take, i) => commit(take, lease, before[i]!, nowMs)) : before
      answer(Result.succeed({ allowed, atMs: nowMs, states }))
    },
    release: (slotKeys, lease) => {
      for (const key of slotKeys) slots.get(key)?.release(lease)
    },
    renew: (holders, leaseMs) => {
      const expiresAtMs = now() + leaseMs
      for (const { lease, slotKeys } of holders) {
        for (const key of slotKeys) hold(key, lease, expiresAtMs)
      }
    }
  })
}

export const layerMemory: Layer.Layer<RateLimitStore> = Layer.effect(
  RateLimitStore,
  Effect.map(monotonicReader, memoryStore)
)
