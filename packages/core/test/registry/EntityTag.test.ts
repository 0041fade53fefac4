import { assert, describe, it } from "@effect/vitest"
import { entityTagOf, matchesTag, parseIfMatch } from "@sluice/core/registry/EntityTag"
import * as fc from "fast-check"

describe("entityTagOf", () => {
  it("is the SHA-256 of the bytes, in quotes", () => {
    assert.strictEqual(entityTagOf("abc"), "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"")
    assert.strictEqual(entityTagOf(new Uint8Array([0x61, 0x62, 0x63])), entityTagOf("abc"))
  })

  it("is one tag for one text, and another for another", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
      assert.strictEqual(entityTagOf(a) === entityTagOf(b), Buffer.from(a).equals(Buffer.from(b)))
    }))
  })
})

describe("If-Match", () => {
  it.each([
    ["\"a\"", true],
    ["\"b\", \"a\"", true],
    ["\"b\",\"a\"", true],
    ["*", true],
    [" * ", true],
    ["\"b\"", false],
    ["W/\"a\"", false],
    ["a", false],
    ["\"a", false],
    ["", false],
    ["\"a\" x", false]
  ])("%s: the condition holds for \"a\": %s", (header, holds) => {
    assert.strictEqual(matchesTag(header, "\"a\""), holds)
  })

  it("lists any tags that are written in its form", () => {
    const tag = fc.stringMatching(/^[a-z0-9, ]{0,8}$/).map((text) => `"${text}"`)
    fc.assert(fc.property(fc.array(tag, { minLength: 1 }), (tags) => {
      assert.deepStrictEqual(parseIfMatch(tags.join(", ")), tags)
    }))
  })
})
