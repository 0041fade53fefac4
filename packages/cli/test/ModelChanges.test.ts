/**
 * What `sluice models apply` and `sluice models rollout` print.
 */
import { assert, describe, it } from "@effect/vitest"
import type { RolloutStatus } from "@sluice/domain/RolloutStatus"
import { renderRollout } from "../src/models/RolloutReport.ts"
import { renderChange } from "../src/models/RunApply.ts"

const nothing = { dry_run: false, etag: "\"abc\"", added: [], changed: [], removed: [], rerouted: [] }

describe("a change of the registry", () => {
  it("is a row for each version and model", () => {
    assert.strictEqual(
      renderChange({ ...nothing, added: ["iris@v2", "iris@v3"], rerouted: ["iris"] }),
      [
        "CHANGE    WHAT",
        "added     iris@v2",
        "added     iris@v3",
        "rerouted  iris",
        "",
        "The registry is now \"abc\""
      ].join("\n")
    )
  })

  it("is a sentence where there is none, or was not made", () => {
    assert.strictEqual(
      renderChange({ ...nothing, dry_run: true }),
      "Nothing that is served differs.\n\nNothing was changed: this was a dry run."
    )
  })
})

const canary: RolloutStatus = {
  model: "sentiment",
  type: "canary",
  phase: "running",
  default_version: "v1",
  target_version: "v2",
  percentage: 25,
  revision: 4,
  decisions: []
}

describe("a rollout", () => {
  it("is one line where nothing was seen yet", () => {
    assert.strictEqual(
      renderRollout(canary),
      "sentiment has a rollout of type canary of v2 beside v1: running, 25 %; revision 4"
    )
    assert.strictEqual(
      renderRollout({ ...canary, type: "pinned" }),
      "sentiment is pinned to v1; revision 4"
    )
    assert.strictEqual(
      renderRollout({ ...canary, type: "ab_test", weights: { v1: 70, v2: 30 } }),
      "sentiment has a rollout of type ab_test over v1 70, v2 30: running; revision 4"
    )
  })

  it("has its sides, how they compare, and what was decided, newest first", () => {
    const side = { requests: 1000, errors: 5, p50_ms: 1.234, p99_ms: 123.4 }
    const text = renderRollout({
      ...canary,
      default: { ...side, version: "v1" },
      target: { ...side, version: "v2", requests: 0, errors: 0, p50_ms: null, p99_ms: null },
      comparison: {
        items: 200,
        agreed: 190,
        max_abs_distance: 0.25,
        mean_cosine: 0.99,
        dropped: 3,
        examples: [{ input: "so so", default: "positive", target: "negative", max_abs_distance: 0.25 }]
      },
      decisions: [{
        at: "2026-11-21T20:00:00.000Z",
        by: "controller",
        decision: "advance",
        percentage: 25,
        reason: "fine"
      }]
    })
    assert.deepStrictEqual(text.split("\n"), [
      "sentiment has a rollout of type canary of v2 beside v1: running, 25 %; revision 4",
      "",
      "SIDE     VERSION  REQUESTS  ERRORS     P50 MS  P99 MS",
      "default  v1       1000      5 (0.5 %)  1.23    123",
      "target   v2       0         0",
      "",
      "200 items compared, 190 agree (95.0 %), largest distance 0.250, mean cosine 0.9900, 3 not compared",
      "",
      "INPUT  DEFAULT   TARGET",
      "so so  positive  negative",
      "",
      "AT                        BY          DECISION  PERCENTAGE  REASON",
      "2026-11-21T20:00:00.000Z  controller  advance   25 %        fine"
    ])
  })
})
