/**
 * Bodies that are none, on each HTTP surface: too large, not JSON, in no known coding. The caller hears what is wrong in
 * the surface's own shape, and the server goes on.
 */
import { assert, describe, layer, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { constants, createGzip, gzipSync } from "node:zlib"
import { leanRegistry } from "../harness/Registries.ts"
import { TestServer } from "../harness/ServerProcess.ts"
import { answers, ask, malformed, nested, refuses, type Surface, surfaces, tooLarge } from "../harness/Surfaces.ts"

type It = Vitest.MethodsNonLive<TestServer>

const mebibyte = 1024 * 1024

/** Zeros, a thousand times smaller on the way. */
const bomb = (bytes: number) =>
  Effect.promise(async () => {
    const gzip = createGzip({ level: constants.Z_BEST_SPEED })
    const chunk = Buffer.alloc(mebibyte)
    for (let sent = 0; sent < bytes; sent += chunk.length) gzip.write(chunk)
    gzip.end()
    return Buffer.concat(await gzip.toArray() as ReadonlyArray<Buffer>)
  })

/** The most memory that the server ever had, in bytes. */
const peakMemory = Effect.map(TestServer, ({ pid }) => {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
})

const everySurface = (it: It, surface: Surface) => {
  it.effect("refuses what is not JSON", () =>
    Effect.gen(function*() {
      for (const body of ["{nope", "", "NaN", "{\"a\":Infinity}", "{\"a\":-NaN}", "{'a':1}", "{\"a\":1}{", "\u0000"]) {
        yield* refuses(surface, { body }, malformed("not JSON"))
      }
    }))

  it.effect("refuses JSON that is no object", () =>
    Effect.gen(function*() {
      for (const body of ["null", "[]", "1", "\"text\"", "true"]) {
        yield* refuses(surface, { body }, malformed("Expected object"))
      }
    }))

  it.effect("refuses other content types", () =>
    Effect.gen(function*() {
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""]) {
        const request = { body: "{}", headers: { "content-type": type } }
        yield* refuses(surface, request, { status: 415, code: "unsupported_media_type", detail: "application/json" })
      }
      const charset = { "content-type": "Application/JSON; charset=utf-8" }
      assert.strictEqual((yield* ask(surface, { body: surface.good, headers: charset })).status, 200)
    }))

  it.effect("refuses 10 MB, whether or not the size is told before", () =>
    Effect.gen(function*() {
      const body = JSON.stringify({ ...surface.good, padding: "x".repeat(10 * mebibyte) })
      yield* refuses(surface, { body }, tooLarge)
      yield* refuses(surface, { body: [body] }, tooLarge)
      yield* answers(surface)
    }))

  it.effect("refuses a small body that becomes a large one, before it has become it", () =>
    Effect.gen(function*() {
      const body = yield* bomb(256 * mebibyte)
      assert.isBelow(body.length, 2 * mebibyte)
      const before = yield* peakMemory
      yield* refuses(surface, { body, headers: { "content-encoding": "gzip" } }, tooLarge)
      assert.isBelow((yield* peakMemory) - before, 128 * mebibyte)
      yield* answers(surface)
    }))

  it.effect("refuses a body that is not in its coding, or ends early", () =>
    Effect.gen(function*() {
      const json = JSON.stringify(surface.good)
      const headers = { "content-encoding": "gzip" }
      yield* refuses(surface, { body: json, headers }, malformed("Content-Encoding"))
      yield* refuses(surface, { body: gzipSync(json).subarray(0, -6), headers }, malformed("ended early"))
    }))

  it.effect("takes up to 8 MiB", () =>
    Effect.gen(function*() {
      const body = { ...surface.good, padding: "x".repeat(7 * mebibyte) }
      assert.strictEqual((yield* ask(surface, { body })).status, 200)
    }))

  it.effect("takes fields that it does not know, whatever they hold", () =>
    Effect.gen(function*() {
      const deep = JSON.stringify(surface.good).replace("{", `{"unknown":${nested(100_000)},"__proto__":{"model":1},`)
      assert.strictEqual((yield* ask(surface, { body: deep })).status, 200)
    }))

  it.effect("refuses a timeout that is none", () =>
    Effect.gen(function*() {
      for (const timeout of ["soon", "0", "-1", "1.5", "0x10", "1e3", "3600001"]) {
        const headers = { "x-sluice-timeout-ms": timeout }
        yield* refuses(surface, { body: surface.good, headers }, malformed("X-Sluice-Timeout-Ms"))
      }
    }))
}

layer(TestServer.layer({ registry: leanRegistry }), { excludeTestServices: true })((it) => {
  for (const surface of surfaces) describe(surface.name, () => everySurface(it, surface))

  describe("after all this", () => {
    it.effect("nothing was a fault of the server's", () =>
      Effect.gen(function*() {
        assert.notInclude((yield* TestServer).output(), "fault of the server")
      }))
  })
})
