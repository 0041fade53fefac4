import { assert, describe, it } from "@effect/vitest"
import { AccessControl, presentedKeys } from "@sluice/server/access/AccessControl"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"

const check = (token: string | undefined, headers: Readonly<Record<string, string>>) =>
  Effect.flatMap(AccessControl, (access) => access.authenticate(headers)).pipe(
    Effect.match({ onSuccess: () => true, onFailure: () => false }),
    Effect.provide(
      AccessControl.layer({ token: token === undefined ? undefined : Redacted.make(token), keysFile: undefined })
    ),
    Effect.runSync
  )

/** What a setting allows a key to be made of. */
const keys = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1
})

describe("AccessControl", () => {
  it("lets everybody in where there is no key", () => {
    assert.isTrue(check(undefined, {}))
    assert.isTrue(check(undefined, { "x-token": "anything" }))
  })

  it("lets in whoever brings the key, in whichever header", () => {
    fc.assert(fc.property(keys, (key) => {
      for (const headers of [{ "x-token": key }, { "x-api-key": key }, { authorization: `Bearer ${key}` }]) {
        assert.isTrue(check(key, headers))
      }
    }))
  })

  it("lets nobody else in", () => {
    fc.assert(fc.property(keys, keys, (key, other) => {
      fc.pre(key !== other)
      assert.isFalse(check(key, { "x-token": other, "x-api-key": other, authorization: `Bearer ${other}` }))
      assert.isFalse(check(key, { authorization: key }))
    }))
    assert.isFalse(check("key", {}))
    assert.isFalse(check("key", { "x-token": "" }))
  })

  it("does not mind another key beside the right one", () => {
    assert.isTrue(check("key", { "x-token": "a proxy's own", authorization: "Bearer key" }))
  })
})

describe("presentedKeys", () => {
  it("reads no scheme but Bearer, in any letter case", () => {
    assert.deepStrictEqual(presentedKeys({ authorization: "bEARER  abc" }), ["abc"])
    for (const authorization of ["Basic abc", "Bearer", "Bearer ", "Bearerabc", "Bearer a b", "xBearer abc"]) {
      assert.deepStrictEqual(presentedKeys({ authorization }), [], authorization)
    }
  })
})
