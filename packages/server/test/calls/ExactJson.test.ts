import { assert, describe, it } from "@effect/vitest"
import { parseExact } from "@sluice/server/calls/ExactJson"
import * as fc from "fast-check"

describe("parseExact", () => {
  it("is JSON.parse for what JSON.stringify writes of numbers that are no long integers", () => {
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
      const text = JSON.stringify(value)
      fc.pre(!/[0-9]{16}/.test(text))
      assert.deepStrictEqual(parseExact(text), JSON.parse(text))
    }))
  })

  it("keeps every digit of integers in lists", () => {
    fc.assert(fc.property(fc.bigInt(), (value) => {
      const [read] = parseExact(`[${value}, 12345678901234567890]`) as ReadonlyArray<unknown>
      assert.strictEqual(BigInt(read as bigint), value)
      assert.strictEqual(typeof read, Number.isSafeInteger(Number(value)) ? "number" : "bigint")
    }))
  })

  it("keeps them among floats that are written in full", () => {
    const floats = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value === 0 ? 0 : value)
    fc.assert(fc.property(fc.array(fc.oneof(floats, fc.bigInt())), (values) => {
      const read = parseExact(`[${values.join(", ")}]`) as ReadonlyArray<unknown>
      values.forEach((value, i) => {
        if (typeof read[i] === "bigint") assert.strictEqual(read[i], BigInt(String(value)))
        else assert.strictEqual(read[i], Number(value))
        if (typeof value === "bigint") assert.strictEqual(BigInt(read[i] as bigint), value)
      })
    }))
  })

  it("leaves numbers outside lists, and those with a point or an exponent, numbers", () => {
    assert.deepStrictEqual(parseExact("{\"timeout\":100000000000000000000,\"data\":[1234567890123456.5,1e30]}"), {
      timeout: 1e20,
      data: [1234567890123456.5, 1e30]
    })
  })

  it("leaves digits in texts alone", () => {
    assert.deepStrictEqual(parseExact("[\"12345678901234567890\"]"), ["12345678901234567890"])
  })
})
