import { assert, describe, it } from "@effect/vitest"
import { requestIdOf } from "@sluice/server/http/RequestContext"
import * as fc from "fast-check"

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe("requestIdOf", () => {
  it("is the caller's where it is a valid one", () => {
    const unit = fc.constantFrom(..."azAZ09._:-")
    fc.assert(fc.property(fc.string({ unit, minLength: 1, maxLength: 128 }), (id) => {
      assert.strictEqual(requestIdOf({ "x-request-id": id }), id)
      assert.strictEqual(requestIdOf({ "x-correlation-id": id }), id)
    }))
  })

  it("is a new one where it is not", () => {
    for (const id of ["", " ", "a b", "a\r\nx: y", "ä", "a/b", "x".repeat(129), undefined]) {
      assert.match(requestIdOf({ "x-request-id": id }), uuid)
    }
    assert.notStrictEqual(requestIdOf({}), requestIdOf({}))
  })

  it("is X-Request-Id's where both headers are there", () => {
    assert.strictEqual(requestIdOf({ "x-request-id": "one", "x-correlation-id": "two" }), "one")
  })
})
