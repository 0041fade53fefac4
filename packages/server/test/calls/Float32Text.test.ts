import { assert, describe, it } from "@effect/vitest"
import { float32Text } from "@sluice/server/calls/Float32Text"
import * as fc from "fast-check"

const float = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ min: -1, max: 1, noNaN: true }),
  fc.integer({ min: -2_000_000, max: 2_000_000 }).map((value) => Math.fround(value / 1000))
)
const floats = fc.array(float, { maxLength: 50 }).map((values) => Float32Array.from(values))

/** What a client reads, as FP32: -0 and 0 are the same number in JSON. */
const read = (text: string) => Array.from(JSON.parse(`[${text}]`), (value) => Math.fround(Number(value)) + 0)

describe("float32Text", () => {
  it("gives every value again", () => {
    fc.assert(
      fc.property(floats, (values) => {
        assert.deepStrictEqual(read(float32Text(values)), Array.from(values, (value) => value + 0))
      }),
      { numRuns: 2000 }
    )
  })

  it("has no digit too many", () => {
    fc.assert(
      fc.property(float, (value) => {
        const digits = (text: string) => text.replace(/e.*$/, "").replace(/[-.]/g, "").replace(/^0+|0+$/g, "").length
        const fewest = Array.from({ length: 9 }, (_, i) => value.toPrecision(i + 1))
          .find((text) => Math.fround(Number(text)) === value)
        assert.strictEqual(digits(float32Text(Float32Array.of(value))), digits(String(Number(fewest))))
      }),
      { numRuns: 2000 }
    )
  })

  it.each([
    [0, "0"],
    [1, "1"],
    [-2.5, "-2.5"],
    [0.1, "0.1"],
    [100, "100"],
    [999999999, "1000000000"],
    [9.9999999, "10"],
    [0.99999994, "0.99999994"],
    [1e-45, "1e-45"],
    [3.4028234663852886e38, "3.4028235e+38"]
  ])("writes %d as %s", (value, text) => {
    assert.strictEqual(float32Text(Float32Array.of(value)), text)
  })

  it("writes a part of a long list", () => {
    const values = Float32Array.from({ length: 5000 }, (_, i) => i / 7)
    assert.deepStrictEqual(read(float32Text(values, 10, 4000)), Array.from(values.subarray(10, 4000)))
    assert.strictEqual(float32Text(values, 3, 3), "")
  })
})
