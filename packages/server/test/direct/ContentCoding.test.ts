import { assert, describe, it } from "@effect/vitest"
import { chooseCoding } from "@sluice/server/direct/ContentCoding"

describe("chooseCoding", () => {
  it("is the first of ours that the client takes", () => {
    const cases: ReadonlyArray<readonly [header: string | undefined, coding: string | undefined]> = [
      [undefined, undefined],
      ["", undefined],
      ["identity", undefined],
      ["gzip", "gzip"],
      ["GZIP", "gzip"],
      ["gzip, deflate, br", "br"],
      ["gzip;q=1.0, br;q=0.1", "br"],
      ["br;q=0, gzip", "gzip"],
      ["br ; q=0 , deflate", "deflate"],
      ["*", "br"],
      ["*;q=0.5, br;q=0", "gzip"],
      ["*;q=0", undefined],
      ["gzip;q=0.000", undefined],
      ["zstd", undefined],
      ["gzip,,deflate", "gzip"]
    ]
    for (const [header, coding] of cases) assert.strictEqual(chooseCoding(header), coding, header)
  })

  it("is none where the header is not well-formed", () => {
    for (const header of ["gzip;q=2", "gzip;q=1.5", "gzip;level=9", "gzip deflate", "gzip;q=", "(gzip)"]) {
      assert.isUndefined(chooseCoding(header), header)
    }
  })
})
