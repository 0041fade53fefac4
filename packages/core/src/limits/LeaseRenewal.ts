/**
 * Keeps the slots of the calls under way: their leases are short, so that a slot whose release was lost, or that was taken
 * for a call which went on without it, is free again soon; and they are renewed together while their calls last.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type { RateLimitStore, SlotHolder } from "./RateLimitStore.ts"

/** Milliseconds for which a slot is held without being renewed. */
export const leaseMs = 10_000
/** Three renewals in a row may fail before a lease is over. */
const renewMs = 3_000

export interface LeaseRenewal {
  /** From now on the holder's slots are renewed where they were taken. */
  readonly hold: (store: RateLimitStore["Service"], holder: SlotHolder) => void
  readonly release: (lease: string) => void
}

/** Nothing runs while nobody holds a slot. */
export const makeLeaseRenewal = Effect.gen(function*() {
  const run = yield* FiberSet.makeRuntime<never>()
  const held = new Map<string, { readonly store: RateLimitStore["Service"]; readonly holder: SlotHolder }>()
  let isRunning = false

  const renew = (): boolean => {
    const holders = Map.groupBy(held.values(), ({ store }) => store)
    for (const [store, slots] of holders) store.renew(slots.map(({ holder }) => holder), leaseMs)
    isRunning = held.size > 0
    return isRunning
  }
  const renewing = Effect.repeat(Effect.delay(Effect.sync(renew), renewMs), { while: (goesOn) => goesOn })

  return {
    hold: (store, holder) => {
      held.set(holder.lease, { store, holder })
      if (isRunning) return
      isRunning = true
      run(renewing)
    },
    release: (lease) => {
      held.delete(lease)
    }
  } satisfies LeaseRenewal
})
