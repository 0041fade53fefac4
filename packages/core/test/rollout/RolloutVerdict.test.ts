import { assert, describe, it } from "@effect/vitest"
import { LatencyHistogram } from "@sluice/core/rollout/LatencyHistogram"
import { emptyCounts, type RolloutCounts } from "@sluice/core/rollout/RolloutCounts"
import type { RolloutGates } from "@sluice/core/rollout/RolloutPlan"
import { judge, type StepOfRollout } from "@sluice/core/rollout/RolloutVerdict"
import * as fc from "fast-check"
import { latencies, randomNumbers } from "./RandomNumbers.ts"

const gates: RolloutGates = {
  maxErrorRate: 0.01,
  maxP50Ratio: undefined,
  maxP99Ratio: 1.5,
  minAgreement: 0.95,
  minRequests: 100,
  intervalMs: 30_000
}

interface Seen {
  readonly requests: number
  readonly errors?: number
  readonly slower?: number
  readonly disagreeing?: number
  readonly ofDefault?: number
}

const seen = ({ disagreeing = 0, errors = 0, ofDefault = 5_000, requests, slower = 1 }: Seen): RolloutCounts => {
  const latency = (count: number, factor: number) => {
    const draw = latencies(randomNumbers(3), 0.5, factor)
    const histogram = new LatencyHistogram()
    for (let i = 0; i < count; i++) histogram.record(draw())
    return histogram.counts()
  }
  return {
    default: { requests: ofDefault, errors: 0, latency: latency(ofDefault, 1) },
    target: { requests, errors, latency: latency(requests, slower) },
    comparison: { ...emptyCounts.comparison, items: requests, agreed: requests - disagreeing }
  }
}

const judged = (counts: RolloutCounts, changes: Partial<StepOfRollout> = {}) =>
  judge({ gates, counts, stepElapsedMs: 30_000, atLastStep: false, defaultAnswers: true, ...changes })

describe("judge", () => {
  it("advances once the interval has passed, with figures for a reason", () => {
    const good = seen({ requests: 600, errors: 2, disagreeing: 6 })
    assert.strictEqual(judged(good, { stepElapsedMs: 29_999 }).decision, "hold")
    const { decision, reason } = judged(good)
    assert.strictEqual(decision, "advance")
    assert.include(reason, "2 of 600 requests failed (0.333 %, at most 1 %)")
    assert.include(reason, "594 of 600 answers agree (99 %, at least 95 %)")
    assert.match(reason, /p99 of [\d.]+ ms against [\d.]+ ms \(at most 1.5 times\)/)
  })

  it.each([
    ["failures", seen({ requests: 600, errors: 30 }), /30 of 600 requests failed \(5 %, at most 1 %\)/],
    ["slowness", seen({ requests: 600, slower: 3 }), /p99 of [\d.]+ ms against/],
    ["other answers", seen({ requests: 600, disagreeing: 75 }), /525 of 600 answers agree \(87.5 %, at least 95 %\)/]
  ])("rolls back for %s, before the interval has passed", (_, counts, reason) => {
    const verdict = judged(counts, { stepElapsedMs: 1_000 })
    assert.strictEqual(verdict.decision, "roll_back")
    assert.match(verdict.reason, reason)
  })

  const byMedian = { ...gates, maxP50Ratio: 1.5, maxP99Ratio: undefined }

  it("rolls back for a slower median on a few more requests than it may decide on", () => {
    const verdict = judged(seen({ requests: 120, slower: 3 }), { gates: byMedian, stepElapsedMs: 1_000 })
    assert.strictEqual(verdict.decision, "roll_back")
    assert.match(verdict.reason, /p50 of [\d.]+ ms against [\d.]+ ms \(at most 1.5 times\)/)
  })

  it("takes a slow tail for no slow median", () => {
    const { default: ofDefault, target, ...others } = seen({ requests: 600 })
    const latency = LatencyHistogram.from(target.latency)
    for (let i = 0; i < 200; i++) latency.record(10_000)
    const tailed = { ...others, default: ofDefault, target: { ...target, requests: 800, latency: latency.counts() } }
    assert.strictEqual(judged(tailed, { gates: byMedian }).decision, "advance")
    assert.strictEqual(judged(tailed).decision, "roll_back")
  })

  it("holds a median that is above its gate by less than could be chance", () => {
    const { decision, reason } = judged(seen({ requests: 150, slower: 1.75 }), { gates: byMedian })
    assert.strictEqual(decision, "hold")
    assert.match(reason, /p50 of/)
  })

  it("holds a target that is above a gate by less than could be chance", () => {
    const { decision, reason } = judged(seen({ requests: 600, errors: 8 }))
    assert.strictEqual(decision, "hold")
    assert.include(reason, "8 of 600 requests failed")
  })

  it("decides nothing on fewer requests than asked for, however bad they are", () => {
    fc.assert(fc.property(fc.nat({ max: 99 }), fc.nat({ max: 1e9 }), (requests, stepElapsedMs) => {
      const worst = seen({ requests, errors: requests, disagreeing: requests, slower: 100 })
      assert.strictEqual(judged(worst, { stepElapsedMs }).decision, "hold")
    }))
    const strict = { ...gates, minRequests: 10_000 }
    assert.strictEqual(judged(seen({ requests: 9_999, errors: 9_999 }), { gates: strict }).decision, "hold")
  })

  it("does not go on where a gate could not be looked at", () => {
    const good = seen({ requests: 600 })
    assert.strictEqual(judged({ ...good, comparison: emptyCounts.comparison }).decision, "hold")
    assert.strictEqual(judged(seen({ requests: 600, ofDefault: 20 })).decision, "hold")
    assert.strictEqual(judged({ ...good, comparison: { ...good.comparison, items: 99, agreed: 99 } }).decision, "hold")
  })

  it("asks for no latency of a default that answers nothing", () => {
    const all = seen({ requests: 600, ofDefault: 0 })
    assert.strictEqual(judged(all).decision, "hold")
    assert.strictEqual(judged(all, { defaultAnswers: false }).decision, "advance")
  })

  it("looks at the gates that are set, and at no others", () => {
    const none = { ...gates, maxErrorRate: undefined, maxP99Ratio: undefined, minAgreement: undefined }
    const worst = seen({ requests: 600, errors: 600, slower: 50, disagreeing: 600 })
    assert.strictEqual(judged(worst, { gates: none }).decision, "advance")
    assert.strictEqual(judged(worst, { gates: { ...none, minAgreement: 0.5 } }).decision, "roll_back")
  })

  it("takes one failure for too many where none is allowed", () => {
    const strict = { ...gates, maxErrorRate: 0 }
    assert.strictEqual(judged(seen({ requests: 600 }), { gates: strict }).decision, "advance")
    assert.strictEqual(judged(seen({ requests: 600, errors: 1 }), { gates: strict }).decision, "roll_back")
  })
})
