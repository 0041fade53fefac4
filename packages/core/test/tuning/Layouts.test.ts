import { assert, describe, it } from "@effect/vitest"
import { candidateLayouts } from "@sluice/core/tuning/Layouts"
import type { FixedPlan } from "@sluice/core/tuning/PlanChoice"

const free: FixedPlan = { instances: undefined, threads: undefined, maxBatchSize: undefined }
const gigabyte = 2 ** 30

const layouts = (cores: number, fixed: Partial<FixedPlan> = {}, fileBytes = 1, availableBytes = gigabyte) =>
  candidateLayouts({ cores, availableBytes }, fileBytes, { ...free, ...fixed }).map(({ instances, threads }) =>
    `${instances} x ${threads}`
  )

describe("candidateLayouts", () => {
  it.each([
    ["one core", layouts(1), ["1 x 1"]],
    ["two cores", layouts(2), ["2 x 1", "1 x 2"]],
    ["six cores", layouts(6), ["6 x 1", "3 x 2", "1 x 4", "1 x 6"]],
    ["64 cores", layouts(64), ["64 x 1", "32 x 2", "16 x 4", "8 x 8", "1 x 64"]],
    ["fixed instances", layouts(8, { instances: 2 }), ["2 x 1", "2 x 4"]],
    ["fixed threads", layouts(8, { threads: 2 }), ["4 x 2"]],
    ["both fixed, more than there are cores", layouts(2, { instances: 4, threads: 3 }), ["4 x 3"]],
    ["a model of which few copies fit into memory", layouts(4, {}, gigabyte / 5), ["2 x 2", "1 x 4"]],
    ["a model that hardly fits at all", layouts(4, {}, 2 * gigabyte), ["1 x 4"]]
  ])("are, for %s, %s", (_, found, expected) => {
    assert.deepStrictEqual(found, expected)
  })
})
