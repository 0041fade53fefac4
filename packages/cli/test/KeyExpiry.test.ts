import { assert, describe, it } from "@effect/vitest"
import { readExpiry } from "../src/keys/KeyExpiry.ts"

const now = Date.UTC(2026, 10, 21)

describe("--expires", () => {
  it.each([
    ["90d", "2027-02-19T00:00:00.000Z"],
    ["12 hours", "2026-11-21T12:00:00.000Z"],
    ["2027-01-31", "2027-01-31T00:00:00.000Z"],
    ["2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00.000Z"]
  ])("reads %s", (text, at) => assert.deepStrictEqual(readExpiry(text, now), { at }))

  it.each(["90", "soon", "", "0s", "2026-11-20", "999999999999d", "2027-02-30"])("refuses %s", (text) => {
    assert.property(readExpiry(text, now), "mistake")
  })
})
