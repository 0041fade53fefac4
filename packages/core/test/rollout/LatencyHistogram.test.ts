import { assert, describe, it } from "@effect/vitest"
import { LatencyHistogram } from "@sluice/core/rollout/LatencyHistogram"
import * as fc from "fast-check"

const histogramOf = (latencies: Iterable<number>): LatencyHistogram => {
  const histogram = new LatencyHistogram()
  for (const latency of latencies) histogram.record(latency)
  return histogram
}

/** From 10 µs to 10 minutes, evenly over the powers of ten. */
const latency = fc.double({ min: -2, max: Math.log10(599_000), noNaN: true }).map((power) => 10 ** power)
const someLatencies = fc.array(latency, { minLength: 1, maxLength: 300 })

describe("LatencyHistogram", () => {
  it("gives any quantile within 2 %", () => {
    fc.assert(fc.property(someLatencies, fc.double({ min: 0, max: 1, noNaN: true }), (latencies, q) => {
      const rank = Math.max(1, Math.ceil(q * latencies.length))
      const exact = latencies.toSorted((a, b) => a - b)[rank - 1]!
      assert.closeTo(histogramOf(latencies).quantile(q)!, exact, exact * 0.0201)
    }))
  })

  it("has no quantile of nothing, and keeps what lies beyond its bounds at its bounds", () => {
    assert.isNull(new LatencyHistogram().quantile(0.5))
    assert.closeTo(histogramOf([0, 0.000001, -5]).quantile(1)!, 0.01, 0.001)
    assert.closeTo(histogramOf([1e9, Infinity]).quantile(0)!, 600_000, 30_000)
    assert.strictEqual(histogramOf([Number.NaN]).total, 0)
  })

  it("adds up: counts of parts, in any order, are the counts of all", () => {
    fc.assert(fc.property(someLatencies, someLatencies, (a, b) => {
      const parts = [histogramOf(a).counts(), histogramOf(b).counts()] as const
      const all = histogramOf([...a, ...b])
      assert.deepStrictEqual(LatencyHistogram.from(...parts).counts(), all.counts())
      assert.deepStrictEqual(LatencyHistogram.from(parts[1], parts[0]).counts(), all.counts())
      assert.strictEqual(LatencyHistogram.from(...parts).total, a.length + b.length)
    }))
  })

  it("counts what is above a bound: never too many, and none missing that is more than 5 % above", () => {
    fc.assert(fc.property(someLatencies, latency, (latencies, bound) => {
      const counted = histogramOf(latencies).countAbove(bound)
      assert.isAtMost(counted, latencies.filter((each) => each > bound * 0.999).length)
      assert.isAtLeast(counted, latencies.filter((each) => each > bound * 1.05).length)
    }))
    assert.strictEqual(histogramOf([1, 2, 3]).countAbove(Infinity), 0)
  })

  it("finds the least bound that few enough are above", () => {
    fc.assert(fc.property(someLatencies, fc.nat({ max: 20 }), (latencies, allowed) => {
      const histogram = histogramOf(latencies)
      const bound = histogram.leastBound((above) => above <= allowed)
      assert.isAtMost(histogram.countAbove(bound), allowed)
      if (latencies.length > allowed) {
        const exact = latencies.toSorted((a, b) => b - a)[allowed]!
        assert.isAtLeast(bound, exact * 0.999)
        assert.isAtMost(bound, exact * 1.05)
      }
    }))
    assert.strictEqual(histogramOf([1]).leastBound(() => false), Infinity)
  })
})
