import { assert, describe, it } from "@effect/vitest"
import { isFailing, restartDelayMs } from "@sluice/core/execution/RestartRule"

describe("after an instance has ended", () => {
  it.each<readonly [number, number, boolean]>([
    [1, 100, false],
    [2, 200, false],
    [3, 400, false],
    [4, 800, false],
    [5, 10_000, true],
    [5000, 10_000, true]
  ])(
    "%d times in a row, the next starts in %d ms; failing: %s",
    (ends, delay, failing) => {
      assert.strictEqual(restartDelayMs(ends), delay)
      assert.strictEqual(isFailing(ends), failing)
    }
  )
})
