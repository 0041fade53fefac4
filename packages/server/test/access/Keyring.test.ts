import { assert, describe, it } from "@effect/vitest"
import type { KeyEntry, KeyProof } from "@sluice/server/access/KeyEntry"
import { Keyring } from "@sluice/server/access/Keyring"
import { keyDigest } from "@sluice/server/access/KeySecret"
import * as fc from "fast-check"

const entry = (id: string, proof: KeyProof, more: Partial<KeyEntry> = {}): KeyEntry => ({
  principal: { id, roles: new Set(["predict"]), models: undefined, limits: undefined },
  proof,
  expiresMs: undefined,
  revoked: false,
  description: "",
  ...more
})

const bySha256 = (id: string, key: string, more: Partial<KeyEntry> = {}) =>
  entry(id, { type: "sha256", digest: keyDigest(key) }, more)

const hash = { cost: 1024, blockSize: 8, parallelization: 1, salt: Buffer.alloc(16), hash: Buffer.alloc(32) }
const byScrypt = (id: string, more: Partial<KeyEntry> = {}) => entry(id, { type: "scrypt", hash }, more)

const at = (ms: number) => () => ms

describe("a ring of keys", () => {
  it("knows each of its keys, and nothing else", () => {
    fc.assert(fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 2, maxLength: 20 }), (all) => {
      const [stranger = "", ...own] = all
      const ring = new Keyring(own.map((key, index) => bySha256(`key-${index}`, key)))
      own.forEach((key, index) => assert.strictEqual(ring.holder(key, at(0))?.id, `key-${index}`))
      assert.isUndefined(ring.holder(stranger, at(0)))
    }))
  })

  it("knows no key that has ended or was revoked", () => {
    const ring = new Keyring([
      bySha256("ends", "a", { expiresMs: 1000 }),
      bySha256("revoked", "b", { revoked: true }),
      bySha256("both", "c", { expiresMs: 1000, revoked: true })
    ])
    assert.strictEqual(ring.holder("a", at(999))?.id, "ends")
    for (const key of ["a", "b", "c"]) assert.isUndefined(ring.holder(key, at(1000)), key)
    for (const key of ["b", "c"]) assert.isUndefined(ring.holder(key, at(0)), key)
  })

  it("asks for scrypt once for a key that turns out right, and once for one that does not", () => {
    const ring = new Keyring([byScrypt("a", { expiresMs: 1000 })])
    const right = ring.trial("slc_a.right")
    const wrong = ring.trial("slc_a.wrong")
    if (right === undefined || wrong === undefined) return assert.fail("nothing to try")
    ring.learn(right, true)
    ring.learn(wrong, false)
    assert.strictEqual(ring.holder("slc_a.right", at(999))?.id, "a")
    assert.isUndefined(ring.holder("slc_a.right", at(1000)))
    assert.isUndefined(ring.holder("slc_a.wrong", at(0)))
    assert.isUndefined(ring.trial("slc_a.right"))
    assert.isUndefined(ring.trial("slc_a.wrong"))
  })

  it("does scrypt's work for an id that is not there, and lets nobody in by it", () => {
    const ring = new Keyring([byScrypt("a")])
    const trial = ring.trial("slc_nobody.x")
    if (trial === undefined) return assert.fail("it would be told apart by its time")
    assert.deepStrictEqual(trial.hash, hash)
    ring.learn(trial, true)
    assert.isUndefined(ring.holder("slc_nobody.x", at(0)))
    assert.isUndefined(ring.trial("slc_nobody.x"))
  })

  it("tries nothing where no key is checked by scrypt, or the presented one has no id", () => {
    assert.isUndefined(new Keyring([bySha256("a", "key")]).trial("slc_a.x"))
    assert.isUndefined(new Keyring([byScrypt("a")]).trial("slc_x"))
  })

  it("remembers a bounded number of wrong keys", () => {
    const ring = new Keyring([byScrypt("a")])
    const wrong = (index: number) => `slc_a.${index}`
    for (let index = 0; index < 2000; index++) {
      const trial = ring.trial(wrong(index))
      if (trial === undefined) return assert.fail("it was tried before")
      ring.learn(trial, false)
    }
    assert.isUndefined(ring.trial(wrong(1999)))
    assert.isDefined(ring.trial(wrong(0)))
  })
})
