/**
 * Access by a keys file on a real file system: what it says holds, when it changes and when it cannot be read.
 */
import { assert, describe, it } from "@effect/vitest"
import { AccessControl } from "@sluice/server/access/AccessControl"
import { hashByScrypt, makeKey } from "@sluice/server/access/KeySecret"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { temporaryDirectory } from "../harness/ServerProcess.ts"
import { keysText, type TestKey, testKey, writeKeys } from "./KeyFixtures.ts"

const first = testKey("first", { roles: ["predict"] })
const second = testKey("second", { roles: ["read"] })

/** Access by this file, and how it answers a key. */
const accessBy = Effect.fnUntraced(function*(keys: ReadonlyArray<TestKey>, token?: string) {
  const file = join(yield* temporaryDirectory, "api_keys.yaml")
  writeKeys(file, keysText(...keys))
  const layer = AccessControl.layer({ token: token === undefined ? undefined : Redacted.make(token), keysFile: file })
  const access = Context.get(yield* Layer.build(layer), AccessControl)
  const who = (key: string) =>
    Effect.match(access.authenticate({ "x-token": key }), {
      onSuccess: ({ id }) => id,
      onFailure: ({ _tag }) => _tag
    })
  return {
    file,
    access,
    who,
    write: (...keys: ReadonlyArray<TestKey>) => Effect.sync(() => writeKeys(file, keysText(...keys))),
    /** Waits until the key is answered so: the test's own timeout is what fails it. */
    becomes: (key: string, expected: string) =>
      who(key).pipe(
        Effect.repeat({ until: (is) => is === expected, schedule: Schedule.spaced("10 millis") }),
        Effect.asVoid
      )
  }
})

describe("access by a keys file", () => {
  it.live("knows its keys and AUTH_TOKEN beside them", () =>
    Effect.gen(function*() {
      const { access, who } = yield* accessBy([first, second], "the-token")
      assert.isTrue(access.required)
      assert.deepStrictEqual(yield* Effect.forEach([first.key, second.key, "the-token", "x"], who), [
        "first",
        "second",
        "auth_token",
        "Unauthenticated"
      ])
      const holder = access.known({ authorization: `Bearer ${first.key}` })
      assert.deepStrictEqual(holder?.roles, new Set(["predict"] as const))
    }))

  it.live("asks for a key where the file has none", () =>
    Effect.gen(function*() {
      const { who } = yield* accessBy([])
      assert.strictEqual(yield* who(""), "Unauthenticated")
    }))

  it.live("takes up what the file says now", () =>
    Effect.gen(function*() {
      const { becomes, who, write } = yield* accessBy([first])
      yield* write({ ...first, revoked: true }, second)
      yield* becomes(first.key, "Unauthenticated")
      assert.strictEqual(yield* who(second.key), "second")
      yield* write(first)
      yield* becomes(second.key, "Unauthenticated")
      assert.strictEqual(yield* who(first.key), "first")
    }))

  it.live("goes on with the former keys while the file has mistakes or is gone", () =>
    Effect.gen(function*() {
      const errors: Array<string> = []
      const heard = Logger.layer([
        Logger.make(({ logLevel, message }) => {
          if (logLevel === "Error") errors.push(String(message))
        })
      ])
      const { file, who } = yield* Effect.provide(accessBy([first]), heard)
      /** Waits until the log tells of the file as it is now. */
      const told = (reason: string) =>
        Effect.sync(() => errors.some((error) => error.includes(reason))).pipe(
          Effect.repeat({ until: (is) => is, schedule: Schedule.spaced("10 millis") })
        )
      const breaks: ReadonlyArray<readonly [reason: string, change: () => void]> = [
        ["not valid YAML", () => writeKeys(file, "keys: [")],
        ["roles[0]: expected", () => writeKeys(file, keysText(first).replace("predict", "admni"))],
        ["this file does not exist", () => rmSync(file)]
      ]
      for (const [reason, change] of breaks) {
        change()
        yield* told(reason)
        assert.strictEqual(yield* who(first.key), "first", reason)
        assert.lengthOf(errors.filter((error) => error.includes(reason)), 1)
      }
    }))

  it.live("takes up a file that is right again", () =>
    Effect.gen(function*() {
      const { becomes, file, who, write } = yield* accessBy([first])
      writeKeys(file, "keys: [")
      yield* write(first, second)
      yield* becomes(second.key, "second")
      assert.strictEqual(yield* who(first.key), "first")
    }))

  it.effect("lets a key in until its time, and no longer", () =>
    Effect.gen(function*() {
      const ends = testKey("ends", { roles: ["read"], expires: "1970-01-01T01:00:00Z" })
      const { access, who } = yield* accessBy([ends])
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(yield* who(ends.key), "ends")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* who(ends.key), "Unauthenticated")
      assert.isUndefined(access.known({ "x-token": ends.key }))
    }))

  it.live("knows a key by scrypt, at once from its second use on, until it is revoked", () =>
    Effect.gen(function*() {
      const key = makeKey("slow")
      const slow = { id: "slow", key, roles: ["read"], scrypt: yield* hashByScrypt(key) }
      const { access, becomes, who, write } = yield* accessBy([slow, first])
      assert.isUndefined(access.known({ "x-token": key }))
      assert.strictEqual(yield* who(`${key}x`), "Unauthenticated")
      assert.strictEqual(yield* who(key.replace("slow", "first")), "Unauthenticated")
      assert.strictEqual(yield* who(key), "slow")
      assert.strictEqual(access.known({ "x-token": key })?.id, "slow")
      yield* write({ ...slow, revoked: true }, first)
      yield* becomes(key, "Unauthenticated")
    }))

  it.live("cannot be had where the file is not there, or has mistakes, at the start", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const messageOf = (file: string) =>
        Effect.map(
          Effect.flip(Effect.scoped(Layer.build(AccessControl.layer({ token: undefined, keysFile: file })))),
          ({ message }) => message
        )
      const missing = join(directory, "none.yaml")
      assert.strictEqual(yield* messageOf(missing), `${missing}: this file does not exist`)
      const wrong = join(directory, "wrong.yaml")
      writeKeys(wrong, "kyes: []")
      assert.include(yield* messageOf(wrong), `${wrong}:1: kyes: unknown field`)
    }))
})
