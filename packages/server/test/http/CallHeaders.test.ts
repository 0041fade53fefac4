import { assert, describe, it } from "@effect/vitest"
import { callContext } from "@sluice/server/http/CallHeaders"
import { RequestContext } from "@sluice/server/http/RequestContext"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"

const contextOf = (headers: Readonly<Record<string, string>>) =>
  callContext(HttpServerRequest.fromWeb(new Request("http://localhost/", { headers }))).pipe(
    Effect.provideService(RequestContext, { requestId: "req-1", startedMs: 0, path: "/" })
  )

describe("callContext", () => {
  it.effect("has the request's id, and neither timeout nor cache control, where no header says so", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* contextOf({}), {
        requestId: "req-1",
        routingKey: "req-1",
        cacheControl: undefined,
        timeoutMs: undefined
      })
    }))

  it.effect("routes by the key that is given for it, else by the caller's key", () =>
    Effect.gen(function*() {
      const routingKey = (headers: Readonly<Record<string, string>>) =>
        Effect.map(contextOf(headers), (context) => context.routingKey)
      assert.strictEqual(yield* routingKey({ "x-routing-key": "user-7", "x-token": "secret" }), "user-7")
      assert.strictEqual(yield* routingKey({ "x-token": "secret" }), "secret")
      assert.strictEqual(yield* routingKey({ authorization: "Bearer secret" }), "secret")
    }))

  it.effect("takes a timeout of whole milliseconds, up to an hour", () =>
    Effect.gen(function*() {
      for (const [header, timeoutMs] of [["1", 1], ["0250", 250], ["3600000", 3_600_000]] as const) {
        assert.strictEqual((yield* contextOf({ "x-sluice-timeout-ms": header })).timeoutMs, timeoutMs)
      }
      for (const header of ["", "0", "3600001", "1.5", "-1", "1e3", "0x1", "soon", "99999999999999999999"]) {
        const error = yield* Effect.flip(contextOf({ "x-sluice-timeout-ms": header }))
        assert.strictEqual(error.field, "X-Sluice-Timeout-Ms", header)
      }
    }))
})
