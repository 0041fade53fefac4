import { assert, describe, it } from "@effect/vitest"
import { hashString } from "@sluice/core/rollout/StringHash"

describe("hashString", () => {
  // SMHasher's and Wikipedia's vectors of MurmurHash3_x86_32, whose bytes are read as UTF-16LE.
  it.each([
    ["", 0, 0x0000_0000],
    ["", 1, 0x514e_28b7],
    ["", 0xffff_ffff, 0x81f1_6f39],
    ["\uffff\uffff", 0, 0x7629_3b50],
    ["\u4321\u8765", 0, 0xf55b_516b],
    ["\u4321\u8765", 0x5082_edee, 0x2362_f9de],
    ["\u4321", 0, 0xa0f7_b07a],
    ["\u0000\u0000", 0, 0x2362_f9de]
  ])("of %j with seed %i is as the reference has it", (text, seed, expected) => {
    assert.strictEqual(hashString(text, seed), expected)
  })
})
