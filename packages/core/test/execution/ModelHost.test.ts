import { assert, describe, it } from "@effect/vitest"
import { restartDelayMs } from "@sluice/core/execution/ModelHost"

describe("restartDelayMs", () => {
  it.each([[0, 100], [1, 200], [2, 400], [6, 6400], [7, 10_000], [8, 10_000], [5000, 10_000]])(
    "after %d restarts is %d ms",
    (restarts, delay) => {
      assert.strictEqual(restartDelayMs(restarts), delay)
    }
  )
})
