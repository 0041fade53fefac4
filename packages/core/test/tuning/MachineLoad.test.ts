import { assert, describe, it } from "@effect/vitest"
import { shareOfOthers } from "@sluice/core/tuning/MachineLoad"

const start = { total: 1000, busy: 400, own: 50 }

describe("shareOfOthers", () => {
  it.each([
    ["nothing on an idle machine", { total: 2000, busy: 400, own: 50 }, 0],
    ["nothing where only this process computes", { total: 2000, busy: 900, own: 550 }, 0],
    ["what is busy beyond this process", { total: 2000, busy: 1150, own: 550 }, 0.25],
    ["never less than nothing, though the clocks differ", { total: 2000, busy: 500, own: 250 }, 0],
    ["nothing where no time has passed", start, 0]
  ])("is %s", (_, end, share) => {
    assert.strictEqual(shareOfOthers(start, end), share)
  })
})
