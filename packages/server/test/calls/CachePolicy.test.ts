import { assert, describe, it } from "@effect/vitest"
import { cachePolicy } from "@sluice/server/calls/CachePolicy"

describe("cachePolicy", () => {
  it("neither reads nor keeps where either says so", () => {
    for (
      const [useCache, header] of [[false, undefined], [undefined, "no-store"], [true, "no-cache, No-Store"]] as const
    ) {
      assert.deepStrictEqual(cachePolicy(useCache, header), { cache: "bypass" })
    }
    assert.deepStrictEqual(cachePolicy(false, "no-cache"), { cache: "bypass" })
  })

  it("computes and keeps for no-cache, and else uses what there is", () => {
    assert.deepStrictEqual(cachePolicy(undefined, "max-age=0, NO-CACHE"), { cache: "refresh" })
    for (
      const header of [undefined, "", "no-cachet", "x-no-store", "max-age", "max-age=", "max-age=-1", "max-age=1.5"]
    ) {
      assert.deepStrictEqual(cachePolicy(undefined, header), { cache: "use" }, header)
    }
  })

  it("takes how old an answer may be, and how far past its time when the model fails", () => {
    assert.deepStrictEqual(cachePolicy(true, "max-age=60"), { cache: "use", freshness: { maxAgeMs: 60_000 } })
    assert.deepStrictEqual(cachePolicy(undefined, `Max-Age="0", stale-if-error=5`), {
      cache: "use",
      freshness: { maxAgeMs: 0, staleIfErrorMs: 5_000 }
    })
    assert.deepStrictEqual(cachePolicy(undefined, "stale-if-error=9"), {
      cache: "use",
      freshness: { staleIfErrorMs: 9_000 }
    })
  })
})
