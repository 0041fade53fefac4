import { assert, describe, it } from "@effect/vitest"
import { InlineWatch } from "@sluice/core/execution/InlineWatch"
import * as fc from "fast-check"

const boundMs = 0.1

/** After how many such batches the model has outgrown the event loop; undefined if never in ten thousand. */
const outgrownAfter = (rows: number, ms: number): number | undefined => {
  const watch = new InlineWatch(boundMs)
  for (let batch = 1; batch <= 10_000; batch++) if (watch.outgrownBy(rows, ms)) return batch
  return undefined
}

describe("InlineWatch", () => {
  it.each([
    ["rows at the bound", 1, 0.1],
    ["rows three times slower than the bound, as on a noisy machine", 1, 0.3],
    ["large batches within two milliseconds", 64, 1.9],
    ["batches whose rows are within the bound", 8, 0.8]
  ])("never tires of %s", (_, rows, ms) => {
    assert.isUndefined(outgrownAfter(rows, ms))
  })

  it.each([
    ["rows ten times the bound", 1, 1, 1000],
    ["batches of three milliseconds", 64, 3, 300],
    ["rows of fifty milliseconds", 1, 50, 30]
  ])("has enough of %s, the sooner the slower they are", (_, rows, ms, within) => {
    const after = outgrownAfter(rows, ms)
    assert.isAtLeast(after ?? 0, 20)
    assert.isAtMost(after ?? Infinity, within)
  })

  it("forgets a batch that the machine held up, however long", () => {
    fc.assert(fc.property(fc.double({ min: 0, max: 60_000, noNaN: true }), (ms) => {
      const watch = new InlineWatch(boundMs)
      let hasOutgrown = false
      for (let batch = 0; batch < 4000; batch++) {
        hasOutgrown = watch.outgrownBy(1, batch % 40 === 0 ? ms : 0.1) || hasOutgrown
      }
      assert.isFalse(hasOutgrown)
    }))
  })
})
