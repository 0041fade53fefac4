import { assert, describe, it } from "@effect/vitest"
import { afterRun, isWasteful, unused } from "../src/ArenaUse.ts"

const mebibyte = 1024 * 1024

/** The use after runs, each of so many elements, in which the process grew by so many MiB, at a time in seconds. */
const after = (...runs: ReadonlyArray<readonly [elements: number, grownMiB: number, atSeconds: number]>) =>
  runs.reduce(
    (use, [elements, grown, at]) => afterRun(use, { elements, grownBytes: grown * mebibyte, nowMs: at * 1000 }),
    unused
  )

describe("a session's memory", () => {
  it.each<readonly [string, ReturnType<typeof after>, number, boolean]>([
    ["is what it needs while nothing has run", unused, 1000, false],
    ["is what it needs, whatever the first run took", after([10, 500, 0]), 1000, false],
    ["is what it needs right after a large run", after([10, 0, 0], [1000, 100, 1]), 30, false],
    ["is too much 30 s after the last large run", after([10, 0, 0], [1000, 100, 1]), 31, true],
    ["is too much, whatever small runs came since", after([10, 0, 0], [1000, 100, 1], [249, 0, 30]), 31, true],
    ["is what it needs while runs come near the largest", after([10, 0, 0], [1000, 100, 1], [250, 0, 30]), 31, false],
    ["is not worth the trouble below 64 MiB", after([10, 0, 0], [1000, 63, 1]), 1000, false],
    ["adds up over runs that were each the largest", after([10, 0, 0], [20, 40, 1], [30, 40, 2]), 32, true],
    ["counts no growth of runs that were not the largest", after([100, 0, 0], [50, 100, 1]), 1000, false],
    ["is not made up for by a run in which the process shrank", after([10, 0, 0], [20, 70, 1], [30, -50, 2]), 32, true]
  ])("%s", (_, use, atSeconds, wasteful) => {
    assert.strictEqual(isWasteful(use, atSeconds * 1000), wasteful)
  })
})
