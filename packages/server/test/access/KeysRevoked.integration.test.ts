/**
 * A key that is revoked while it is in use: requests that have begun, and several processes.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { join } from "node:path"
import { http } from "../harness/Http.ts"
import { gate, mood, moodyServer, openGate } from "../harness/Moody.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { readyServer, temporaryDirectory } from "../harness/ServerProcess.ts"
import { keysText, testKey, writeKeys } from "./KeyFixtures.ts"

const leaving = testKey("leaving", { roles: ["predict"] })
const watching = testKey("watching", { roles: ["read"] })

const keysFile = Effect.map(temporaryDirectory, (directory) => {
  const file = join(directory, "api_keys.yaml")
  writeKeys(file, keysText(leaving, watching))
  return { file, revoke: Effect.sync(() => writeKeys(file, keysText({ ...leaving, revoked: true }, watching))) }
})

const often = Schedule.spaced("10 millis")

describe("a key that is revoked", () => {
  for (const path of ["/api/v1/predict", "/api/v1/predict?"]) {
    it.live(`gets the answers of requests that have begun, and no others: ${path}`, () =>
      Effect.gen(function*() {
        yield* gate("moody")
        const { file, revoke } = yield* keysFile
        const { port } = yield* readyServer(moodyServer({ moody: {} }, { API_KEYS_FILE: file }))
        const ask = (model: string, features: ReadonlyArray<number>) =>
          http({
            port,
            path,
            body: { model, features: [features], use_cache: false },
            headers: { "x-token": leaving.key }
          })
        const begun = yield* Effect.forkChild(ask("moody", [mood.waits]))
        yield* http({ port, path: "/metrics" }).pipe(
          Effect.repeat({
            until: ({ text }) => /^sluice_batch_size_count\{[^}]*model="moody"[^}]*\} 1$/m.test(text),
            schedule: often
          })
        )
        yield* revoke
        yield* ask("iris", [1, 2, 3, 4]).pipe(Effect.repeat({ until: ({ status }) => status === 401, schedule: often }))
        assert.isUndefined(begun.pollUnsafe())
        yield* openGate("moody")
        assert.strictEqual((yield* Fiber.join(begun)).status, 200)
      }))
  }

  it.live("is refused by every one of several processes", () =>
    Effect.gen(function*() {
      const { file, revoke } = yield* keysFile
      const { port } = yield* readyServer({ registry: leanRegistry, env: { API_KEYS_FILE: file, WORKERS: "2" } })
      // A connection each, which the processes get in turn.
      const statuses = Effect.forEach(
        Array.from({ length: 8 }),
        () =>
          Effect.map(http({ port, path: "/v1/models", headers: { "x-token": leaving.key } }), ({ status }) => status)
      )
      assert.deepStrictEqual(new Set(yield* statuses), new Set([200]))
      yield* revoke
      yield* statuses.pipe(
        Effect.repeat({ until: (all) => all.every((status) => status === 401), schedule: often })
      )
    }))
})
