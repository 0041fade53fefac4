import { assert, describe, it } from "@effect/vitest"
import { Deadlines } from "@sluice/core/batching/Deadlines"
import { nowhere } from "@sluice/core/Roster"
import * as fc from "fast-check"

/** A clock that the test moves, with the timers that are set on it. */
class Time {
  nowMs = 0
  readonly timers: Array<{ readonly atMs: number; readonly wake: () => void }> = []

  readonly schedule = (delayMs: number, wake: () => void): () => void => {
    const timer = { atMs: this.nowMs + delayMs, wake }
    this.timers.push(timer)
    return () => {
      const at = this.timers.indexOf(timer)
      if (at >= 0) this.timers.splice(at, 1)
    }
  }

  advance(toMs: number): void {
    for (;;) {
      const next = this.timers.filter(({ atMs }) => atMs <= toMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined) break
      this.timers.splice(this.timers.indexOf(next), 1)
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.wake()
    }
    this.nowMs = toMs
  }
}

interface Request {
  readonly deadlineMs: number
  place: number
}

const dueAt = (deadlineMs: number): Request => ({ deadlineMs, place: nowhere })

const make = () => {
  const time = new Time()
  const expired: Array<readonly [Request, number]> = []
  const deadlines = new Deadlines<Request>({
    now: () => time.nowMs,
    schedule: time.schedule,
    expire: (request) => expired.push([request, time.nowMs])
  })
  return { time, expired, deadlines }
}

describe("Deadlines", () => {
  it("expires each request once, at its deadline or a millisecond later, and never one that was removed", () =>
    fc.assert(
      fc.property(
        fc.array(fc.record({ addedMs: fc.nat(100), allowedMs: fc.nat(100), removedAfterMs: fc.nat(150) })),
        (calls) => {
          const { deadlines, expired, time } = make()
          const requests = calls.map(({ addedMs, allowedMs }) => dueAt(addedMs + allowedMs + 0.5))
          for (let ms = 0; ms <= 300; ms++) {
            time.advance(ms)
            calls.forEach(({ addedMs, removedAfterMs }, i) => {
              if (addedMs === ms) deadlines.add(requests[i]!)
              if (addedMs + removedAfterMs === ms) deadlines.remove(requests[i]!)
            })
          }
          const due = requests.filter(({ deadlineMs }, i) => deadlineMs < calls[i]!.addedMs + calls[i]!.removedAfterMs)
          const told = expired.map(([request]) => request)
          assert.strictEqual(new Set(told).size, told.length)
          for (const request of due) assert.include(told, request)
          for (const [request, atMs] of expired) {
            assert.isAtLeast(atMs, request.deadlineMs)
            assert.isAtMost(atMs, request.deadlineMs + 1.5)
          }
          calls.forEach(({ allowedMs, removedAfterMs }, i) => {
            if (removedAfterMs < allowedMs) assert.notInclude(told, requests[i])
          })
        }
      )
    ))

  it("keeps one timer however many wait, and none when nobody does", () => {
    const { deadlines, time } = make()
    for (let i = 0; i < 100; i++) deadlines.add(dueAt(1_000 - i))
    assert.strictEqual(time.timers.length, 1)
    assert.strictEqual(deadlines.clear().length, 100)
    assert.strictEqual(time.timers.length, 0)
  })

  it("sets no timer for a request without a deadline", () => {
    const { deadlines, time } = make()
    deadlines.add(dueAt(Infinity))
    assert.strictEqual(time.timers.length, 0)
  })
})
