import { assert, describe, it } from "@effect/vitest"
import { type Freshness, judge } from "../../src/cache/Freshness.ts"
import { encodeItemOutput } from "../../src/cache/ItemOutputCodec.ts"
import { outputOf } from "./CachedModel.ts"

/** Stored at 1 s, fresh until 11 s. */
const entry = encodeItemOutput("k", outputOf("A"), { storedAt: 1_000, freshUntil: 11_000, keptUntil: 60_000 })
const said = (now: number, freshness?: Freshness) => {
  const judged = judge("k", entry, now, freshness)
  return judged === undefined ? "nothing" : judged.fresh ? "fresh" : "stale"
}

describe("judge", () => {
  const cases: ReadonlyArray<readonly [at: number, freshness: Freshness | undefined, expected: string]> = [
    [1_000, undefined, "fresh"],
    [10_999, undefined, "fresh"],
    [11_000, undefined, "nothing"],
    [11_000, { staleIfErrorMs: 5_000 }, "stale"],
    [15_999, { staleIfErrorMs: 5_000 }, "stale"],
    [16_000, { staleIfErrorMs: 5_000 }, "nothing"],
    // RFC 9111, 5.2.1.1: an age that is equal is accepted.
    [3_000, { maxAgeMs: 2_000 }, "fresh"],
    [3_001, { maxAgeMs: 2_000 }, "nothing"],
    // What a caller finds too old is past its time from then on.
    [3_001, { maxAgeMs: 2_000, staleIfErrorMs: 1_000 }, "stale"],
    [4_000, { maxAgeMs: 2_000, staleIfErrorMs: 1_000 }, "nothing"],
    [11_500, { maxAgeMs: 60_000 }, "nothing"],
    // A clock that went back finds what was stored in its future, which is not old.
    [500, { maxAgeMs: 0 }, "fresh"]
  ]
  it.each(cases)("at %d ms with %o takes it for %s", (now, freshness, expected) => {
    assert.strictEqual(said(now, freshness), expected)
  })

  it("has nothing of bytes that are none of ours", () => {
    assert.isUndefined(judge("k", Uint8Array.of(1, 2, 3), 0))
    assert.isUndefined(judge("k", undefined, 0))
  })
})
