import { assert, describe, it } from "@effect/vitest"
import { hashByScrypt, idOfKey, keyDigest, makeKey, matchesScrypt, parseScrypt } from "@sluice/server/access/KeySecret"
import * as Effect from "effect/Effect"

describe("a new key", () => {
  it("is 32 random bytes after what it is recognised by", () => {
    const made = Array.from({ length: 100 }, () => makeKey(undefined))
    for (const key of made) assert.match(key, /^slc_[A-Za-z0-9_-]{43}$/)
    assert.strictEqual(new Set(made).size, made.length)
  })

  it("tells its id where it is checked by scrypt, and otherwise none", () => {
    assert.strictEqual(idOfKey(makeKey("search-team")), "search-team")
    assert.isUndefined(idOfKey(makeKey(undefined)))
    for (const other of ["", "search.x", "slc_.x", "slc_a.", "slc_a b.x"]) assert.isUndefined(idOfKey(other), other)
  })
})

describe("keyDigest", () => {
  it("is SHA-256 in hex", () => {
    assert.strictEqual(keyDigest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  })
})

describe("scrypt", () => {
  it.effect("is RFC 7914's", () =>
    Effect.gen(function*() {
      const vector = {
        cost: 1024,
        blockSize: 8,
        parallelization: 16,
        salt: Buffer.from("NaCl"),
        hash: Buffer.from(
          "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d" +
            "8360cbdfa2cc0640",
          "hex"
        )
      }
      assert.isTrue(yield* matchesScrypt("password", vector))
      assert.isFalse(yield* matchesScrypt("Password", vector))
    }))

  it.effect("knows a key by what was kept of it, and no other key", () =>
    Effect.gen(function*() {
      const kept = yield* hashByScrypt("slc_a.secret")
      const hash = parseScrypt(kept)
      if (hash === undefined) return assert.fail(kept)
      assert.isTrue(yield* matchesScrypt("slc_a.secret", hash))
      assert.isFalse(yield* matchesScrypt("slc_b.secret", hash))
      assert.notStrictEqual(yield* hashByScrypt("slc_a.secret"), kept)
    }))

  const salt = "A".repeat(22)
  it.each([
    ["work below what protects", `scrypt$512$8$1$${salt}$${salt}`],
    ["work that is no power of 2", `scrypt$1000000$8$1$${salt}$${salt}`],
    ["more than 256 MiB", `scrypt$1048576$8$1$${salt}$${salt}`],
    ["too many rounds", `scrypt$16384$8$99$${salt}$${salt}`],
    ["no rounds", `scrypt$16384$8$0$${salt}$${salt}`],
    ["a short salt", `scrypt$16384$8$1$AAAA$${salt}`],
    ["another algorithm", `argon2id$16384$8$1$${salt}$${salt}`],
    ["more parts", `scrypt$16384$8$1$${salt}$${salt}$x`]
  ])("is not taken with %s", (_, text) => assert.isUndefined(parseScrypt(text)))

  it("is taken in both alphabets of base64, padded or not", () => {
    const bytes = Buffer.alloc(32, 0xfb)
    for (const written of [bytes.toString("base64"), bytes.toString("base64url")]) {
      assert.deepStrictEqual(parseScrypt(`scrypt$16384$8$5$${written}$${written}`)?.hash, bytes)
    }
  })
})
