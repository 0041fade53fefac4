import { assert, describe, it } from "@effect/vitest"
import { callContext } from "@sluice/server/calls/CallContext"
import * as Result from "effect/Result"

const contextOf = (headers: Readonly<Record<string, string>>) => Result.getOrThrow(callContext(headers, "req-1"))

describe("callContext", () => {
  it("has the request's id, and neither timeout nor cache control, where no header says so", () => {
    assert.deepStrictEqual(contextOf({}), {
      requestId: "req-1",
      routingKey: "req-1",
      cacheControl: undefined,
      timeoutMs: undefined
    })
  })

  it("routes by the key that is given for it, else by the caller's key", () => {
    const routingKey = (headers: Readonly<Record<string, string>>) => contextOf(headers).routingKey
    assert.strictEqual(routingKey({ "x-routing-key": "user-7", "x-token": "secret" }), "user-7")
    assert.strictEqual(routingKey({ "x-token": "secret" }), "secret")
    assert.strictEqual(routingKey({ authorization: "Bearer secret" }), "secret")
  })

  it("takes a timeout of whole milliseconds, up to an hour", () => {
    for (const [header, timeoutMs] of [["1", 1], ["0250", 250], ["3600000", 3_600_000]] as const) {
      assert.strictEqual(contextOf({ "x-sluice-timeout-ms": header }).timeoutMs, timeoutMs)
    }
    for (const header of ["", "0", "3600001", "1.5", "-1", "1e3", "0x1", "soon", "99999999999999999999"]) {
      const refused = callContext({ "x-sluice-timeout-ms": header }, "req-1")
      assert.isTrue(Result.isFailure(refused) && refused.failure.field === "X-Sluice-Timeout-Ms", header)
    }
  })
})
