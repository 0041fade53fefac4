import { assert, describe, it } from "@effect/vitest"
import { logBeta, logIncompleteBeta, logIncompleteBetaAbove } from "@sluice/core/rollout/BetaFunction"
import { exceedsRate, isBelowRate, logEvidenceAbove, logEvidenceBelow } from "@sluice/core/rollout/RateTest"
import * as fc from "fast-check"
import { randomNumbers } from "./RandomNumbers.ts"

const parameter = fc.double({ min: 0.5, max: 5_000, noNaN: true })
const inside = fc.double({ min: 0.001, max: 0.999, noNaN: true })

describe("the beta function", () => {
  it("has the values of tables", () => {
    assert.closeTo(logBeta(1, 1), 0, 1e-13)
    assert.closeTo(logBeta(5, 3), -Math.log(105), 1e-12)
    assert.closeTo(logBeta(0.5, 0.5), Math.log(Math.PI), 1e-12)
    // By sums of binomial probabilities, exactly.
    assert.closeTo(Math.exp(logIncompleteBeta(0.5, 2, 3)), 0.6875, 1e-12)
    assert.closeTo(Math.exp(logIncompleteBeta(0.1, 1, 20)), 1 - 0.9 ** 20, 1e-12)
    assert.closeTo(logIncompleteBeta(1e-3, 40, 1), 40 * Math.log(1e-3), 1e-9)
  })

  it("splits into what is below and what is above", () => {
    fc.assert(fc.property(inside, parameter, parameter, (x, a, b) => {
      const below = Math.exp(logIncompleteBeta(x, a, b))
      assert.closeTo(below + Math.exp(logIncompleteBetaAbove(x, a, b)), 1, 1e-9)
    }))
  })

  it("meets its recurrence in b", () => {
    // I_x(a, b + 1) = I_x(a, b) + x^a (1 - x)^b / (b B(a, b))
    fc.assert(fc.property(inside, parameter, parameter, (x, a, b) => {
      const step = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - Math.log(b) - logBeta(a, b))
      assert.closeTo(Math.exp(logIncompleteBeta(x, a, b + 1)), Math.exp(logIncompleteBeta(x, a, b)) + step, 1e-9)
    }))
  })
})

describe("RateTest", () => {
  it("has the evidence of its definition, by numerical integration", () => {
    const integrate = (from: number, to: number, f: (p: number) => number) => {
      const steps = 20_000
      let sum = 0
      for (let i = 0; i < steps; i++) sum += f(from + (to - from) * (i + 0.5) / steps)
      return sum * (to - from) / steps
    }
    for (
      const [k, n, p0] of [[0, 50, 0.01], [5, 100, 0.01], [30, 200, 0.05], [3, 1000, 0.01], [80, 100, 0.6]] as const
    ) {
      const ratio = (p: number) => (p / p0) ** k * ((1 - p) / (1 - p0)) ** (n - k)
      const prior = (p: number) => (1 - p) ** (Math.max(1, 1 / (2 * p0)) - 1)
      const above = integrate(p0, 1, (p) => ratio(p) * prior(p)) / integrate(p0, 1, prior)
      assert.closeTo(logEvidenceAbove(k, n, p0), Math.log(above), 1e-3)
      const below = integrate(0, p0, ratio) / p0
      assert.closeTo(logEvidenceBelow(k, n, p0), Math.log(below), 1e-3)
    }
  })

  it("speaks louder the more events there are, and is a number for any counts", () => {
    fc.assert(fc.property(fc.nat({ max: 1_000_000 }), fc.nat({ max: 1_000_000 }), inside, (a, b, p0) => {
      const trials = Math.max(a, b) + 1
      const events = Math.min(a, b)
      assert.isAtLeast(logEvidenceAbove(events + 1, trials, p0), logEvidenceAbove(events, trials, p0))
      assert.isAtMost(logEvidenceBelow(events + 1, trials, p0), logEvidenceBelow(events, trials, p0))
    }))
  })

  it("lets one event refute a bound of 0, and nothing a bound of 1", () => {
    assert.isTrue(exceedsRate(1, 1_000_000, 0, 0.0005))
    assert.isFalse(exceedsRate(0, 1_000_000, 0, 0.0005))
    assert.isFalse(exceedsRate(1_000, 1_000, 1, 0.0005))
  })

  it.each([[0.01, 0.05], [0.05, 0.05], [0.01, 0.005]])(
    "is wrong about a rate of %f, looked at after each of 5,000 observations, no more often than alpha %f allows",
    (rate, alpha) => {
      const random = randomNumbers(7)
      const runs = 1_000
      let tooHigh = 0
      let tooLow = 0
      for (let run = 0; run < runs; run++) {
        let events = 0
        let above = false
        let below = false
        for (let trials = 1; trials <= 5_000; trials++) {
          const isEvent = random() < rate
          if (isEvent) events++
          // The evidence that it is too high rises with an event only, and that it is too low without one only.
          if (isEvent) above ||= exceedsRate(events, trials, rate, alpha)
          else if (trials % 50 === 0) below ||= isBelowRate(events, trials, rate, alpha)
        }
        if (above) tooHigh++
        if (below) tooLow++
      }
      assert.isAtMost(tooHigh / runs, alpha)
      assert.isAtMost(tooLow / runs, alpha)
    },
    120_000
  )

  it("finds a rate that is five times too high", () => {
    assert.isTrue(exceedsRate(25, 500, 0.01, 0.0005))
    assert.isFalse(exceedsRate(8, 500, 0.01, 0.0005))
    assert.isTrue(isBelowRate(1, 3_000, 0.01, 0.0005))
    assert.isFalse(isBelowRate(25, 3_000, 0.01, 0.0005))
  })
})
