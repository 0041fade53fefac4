import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import {
  endedPerSecond,
  ends,
  epochMs,
  fromDue,
  isAnswered,
  latency,
  parseShots,
  sentBetween,
  type Shot,
  underDeadline
} from "../src/generators/VegetaResults.ts"

const shot = (fields: Partial<Shot>): Shot => ({
  seq: 0,
  tag: "",
  status: 200,
  sentMs: 0,
  latencyMs: 1,
  error: "",
  retryAfter: undefined,
  body: Buffer.alloc(0),
  ...fields
})

describe("vegeta's results", () => {
  it("are read in the order of sending, with status, time, tag, body and Retry-After", () => {
    const line = (fields: object) =>
      JSON.stringify({
        seq: 0,
        code: 200,
        timestamp: "2026-01-02T03:04:05.000000500Z",
        latency: 1_500_000,
        error: "",
        body: Buffer.from("{}").toString("base64"),
        url: "http://127.0.0.1/x?row=7",
        headers: {},
        ...fields
      })
    const [first, second] = parseShots([
      line({ seq: 1, code: 503, error: "503 Service Unavailable", headers: { "Retry-After": ["2"] }, body: null }),
      line({}),
      ""
    ].join("\n"))
    assert.deepInclude(first, { seq: 0, tag: "row=7", status: 200, latencyMs: 1.5, retryAfter: undefined })
    assert.strictEqual(first?.body.toString(), "{}")
    assert.deepInclude(second, { seq: 1, status: 503, retryAfter: "2" })
  })

  it("keep fractions of milliseconds, in any zone", () => {
    const whole = Date.parse("2026-01-02T03:04:05Z")
    assert.closeTo(epochMs("2026-01-02T03:04:05.123456789Z") - whole, 123.456789, 1e-3)
    assert.closeTo(epochMs("2026-01-02T05:04:05.5+02:00") - whole, 500, 1e-3)
    assert.strictEqual(epochMs("2026-01-02T03:04:05Z"), whole)
  })
})

describe("latency from when a request was due", () => {
  it("includes the generator's own lateness", () => {
    // 100 a second: due at 1000, 1010, 1020, 1030; the third was sent 25 ms late.
    const sent = [1000, 1010, 1045, 1045].map((sentMs, seq) => shot({ seq, sentMs, latencyMs: 5 }))
    assert.deepStrictEqual(fromDue(sent, 100).map(({ latencyMs }) => latencyMs), [5, 5, 30, 20])
  })

  it("is found from the earliest possible schedule, though the first request itself was late", () => {
    const sent = [1008, 1010, 1020].map((sentMs, seq) => shot({ seq, sentMs, latencyMs: 5 }))
    assert.deepStrictEqual(fromDue(sent, 100).map(({ latencyMs }) => latencyMs), [13, 5, 5])
  })

  it("is never less than what was measured from sending", () => {
    const lateness = fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { minLength: 1, maxLength: 40 })
    fc.assert(fc.property(lateness, fc.integer({ min: 1, max: 2000 }), (late, rate) => {
      const sent = late.map((ms, seq) => shot({ seq, sentMs: 5000 + (seq * 1000) / rate + ms, latencyMs: 5 }))
      return fromDue(sent, rate).every(({ latencyMs }) => latencyMs >= 5 - 1e-6)
    }))
  })
})

describe("summing up", () => {
  const shots = [
    shot({ latencyMs: 100 }),
    shot({ latencyMs: 499 }),
    shot({ latencyMs: 600 }),
    shot({ status: 503, latencyMs: 2, retryAfter: "1" }),
    shot({ status: 503, latencyMs: 4 }),
    shot({ status: 504, latencyMs: 500, retryAfter: "1" }),
    shot({ status: 0, latencyMs: 30 })
  ]

  it("counts as goodput only answers within the deadline", () => {
    const found = underDeadline(shots, 2, 500)
    assert.strictEqual(found.goodput, 1)
    assert.strictEqual(found.answeredP99, 600)
  })

  it("takes for a proper refusal only 503 with Retry-After", () => {
    const found = underDeadline(shots, 2, 500)
    assert.strictEqual(found.refused, 4)
    assert.strictEqual(found.politeShare, 0.25)
    assert.strictEqual(found.refusalP99, 500)
    assert.strictEqual(underDeadline([shot({})], 1, 500).politeShare, 1)
  })

  it("leaves out what a closed loop ended after its end", () => {
    const loop = [0, 500, 900].map((sentMs) => shot({ sentMs, latencyMs: 400 }))
    assert.strictEqual(endedPerSecond(loop, 1, isAnswered), 2)
  })

  it("names every end there was", () => {
    assert.strictEqual(ends(shots), "3 × 200, 2 × 503, 1 × 504, 1 × no answer")
  })

  it("tells time from the first sending", () => {
    const sent = [0, 400, 1200].map((ms) => shot({ sentMs: 5000 + ms, latencyMs: ms }))
    assert.deepStrictEqual(sentBetween(sent, 400, 1200).map(({ latencyMs }) => latencyMs), [400])
    assert.strictEqual(latency(sent, 50), 400)
  })
})
