/**
 * `sluice keys create | list | revoke`, as processes, with a server that reads their file.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { http } from "../../server/test/harness/Http.ts"
import { leanRegistry } from "../../server/test/harness/Registries.ts"
import { readyServer } from "../../server/test/harness/ServerProcess.ts"
import { sluice, temporaryFolder } from "./SluiceProcess.ts"

const keysIn = (file: string) => (...args: ReadonlyArray<string>) => sluice(["keys", ...args, "--file", file])

describe("sluice keys", () => {
  it.live("makes a key that a running server takes up, and takes it back from it", () =>
    Effect.gen(function*() {
      const file = join(yield* temporaryFolder, "api_keys.yaml")
      const keys = keysIn(file)
      const key = (yield* keys("create", "--id", "first", "--role", "predict", "--model", "iris")).stdout.trim()
      const { port } = yield* readyServer({ registry: leanRegistry, env: { API_KEYS_FILE: file } })
      const predict = (key: string) =>
        Effect.map(
          http({
            port,
            path: "/api/v1/predict",
            body: { model: "iris", features: [[1, 2, 3, 4]] },
            headers: { authorization: `Bearer ${key}` }
          }),
          ({ status }) => status
        )
      const becomes = (key: string, expected: number) =>
        predict(key).pipe(
          Effect.repeat({ until: (status) => status === expected, schedule: Schedule.spaced("10 millis") })
        )
      assert.strictEqual(yield* predict(key), 200)
      const later = (yield* keys("create", "--id", "later", "--role", "admin", "--scrypt", "-o", "json")).stdout
      yield* becomes(JSON.parse(later).key, 200)
      const { code, stdout } = yield* keys("revoke", "first")
      assert.deepStrictEqual([code, stdout.includes("\"first\" is revoked")], [0, true])
      yield* becomes(key, 401)
      assert.strictEqual(yield* predict(JSON.parse(later).key), 200)
      const asked = yield* sluice(["models", "--url", `http://localhost:${port}`, "--token", key])
      assert.strictEqual(asked.code, 1)
      assert.include(asked.stderr, "does not take this key")
      const listed = yield* sluice(["models", "--url", `http://localhost:${port}`], {
        env: { AUTH_TOKEN: JSON.parse(later).key }
      })
      assert.include(listed.stdout, "iris@v1")
    }))

  it.live("lists what each key may do, and nothing of its secret", () =>
    Effect.gen(function*() {
      const file = join(yield* temporaryFolder, "api_keys.yaml")
      const keys = keysIn(file)
      const made = yield* Effect.forEach([
        ["--id", "trial", "--role", "predict", "--role", "read", "--model", "iris", "--expires", "2999-01-31"],
        ["--id", "ops", "--role", "admin", "--description", "who changes\nthings"]
      ], (flags) => keys("create", ...flags))
      yield* keys("revoke", "ops")
      const table = (yield* keys("list")).stdout
      assert.match(table, /^ID +STATE +ROLES +MODELS +EXPIRES +CHECKED BY +DESCRIPTION$/m)
      assert.match(table, /^trial +active +predict, read +iris +2999-01-31T00:00:00\.000Z +sha256$/m)
      assert.match(table, /^ops +revoked +admin +all +never +sha256 +who changes things$/m)
      const { keys: listed } = JSON.parse((yield* keys("list", "-o", "json")).stdout)
      assert.deepInclude(listed[0], {
        id: "trial",
        state: "active",
        models: ["iris"],
        expires: "2999-01-31T00:00:00.000Z"
      })
      const text = readFileSync(file, "utf8")
      for (const { stdout } of made) {
        assert.match(stdout.trim(), /^slc_[A-Za-z0-9_-]{43}$/)
        assert.notInclude(text + table, stdout.trim())
      }
    }))

  it.live("keeps the file to its owner, and a file's own mode and comments as they are", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const fresh = join(folder, "fresh.yaml")
      yield* keysIn(fresh)("create", "--id", "a", "--role", "read")
      assert.strictEqual(statSync(fresh).mode & 0o777, 0o600)
      const shared = join(folder, "shared.yaml")
      writeFileSync(shared, "# ours\nkeys: []\n")
      chmodSync(shared, 0o640)
      yield* keysIn(shared)("create", "--id", "a", "--role", "read")
      assert.strictEqual(statSync(shared).mode & 0o777, 0o640)
      assert.match(readFileSync(shared, "utf8"), /^# ours\n/)
    }))

  it.live("loses no change that others make at the same time", () =>
    Effect.gen(function*() {
      const file = join(yield* temporaryFolder, "api_keys.yaml")
      const keys = keysIn(file)
      yield* keys("create", "--id", "old", "--role", "read")
      const ids = ["a", "b", "c"]
      yield* Effect.all(
        [keys("revoke", "old"), ...ids.map((id) => keys("create", "--id", id, "--role", "read"))],
        { concurrency: "unbounded" }
      )
      const { keys: listed } = JSON.parse((yield* keys("list", "-o", "json")).stdout)
      assert.sameMembers(listed.map(({ id }: { readonly id: string }) => id), ["old", ...ids])
      assert.strictEqual(listed[0].state, "revoked")
    }))

  it.live("says what is wrong with a call, and changes nothing", () =>
    Effect.gen(function*() {
      const file = join(yield* temporaryFolder, "api_keys.yaml")
      const keys = keysIn(file)
      const ended = yield* keys("create", "--id", "a", "--role", "read", "--expires", "2020-01-01")
      assert.deepStrictEqual([ended.code, ended.stdout], [2, ""])
      assert.include(ended.stderr, "\"2020-01-01\" is not in the future")
      assert.include((yield* keys("create", "--id", "a", "--role", "read", "--expires", "90")).stderr, "such as 90d")
      assert.include((yield* keys("create", "--id", "a.b", "--role", "read")).stderr, "\"a.b\" is none")
      assert.strictEqual((yield* keys("create", "--id", "a", "--role", "owner")).code, 2)
      assert.include((yield* keys("revoke", "a")).stderr, `${file}: this file does not exist`)
      writeFileSync(file, "keys: [{ id: a }]\n")
      const wrong = yield* keys("create", "--id", "b", "--role", "read")
      assert.deepStrictEqual([wrong.code, wrong.stdout], [1, ""])
      assert.include(wrong.stderr, `${file}:1: keys[0].roles: this field is required`)
      assert.strictEqual(readFileSync(file, "utf8"), "keys: [{ id: a }]\n")
    }))
})
