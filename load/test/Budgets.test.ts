import { assert, describe, it } from "@effect/vitest"
import { parseBudgets, readBudgets } from "../src/report/Budgets.ts"
import { judge } from "../src/report/Outcome.ts"
import { renderOutcome } from "../src/report/Table.ts"
import { scenarios } from "../src/scenarios/Scenarios.ts"

const least = { bound: "at_least", limit: 0.9, demand: "share" } as const
const most = { bound: "at_most", limit: 20, demand: "p99" } as const

describe("budgets.yaml", () => {
  it("has an entry for every scenario, and for no other", () => {
    assert.sameMembers([...readBudgets().keys()], scenarios.map(({ name }) => name))
  })

  it("is refused where a demand is not one, with its place", () => {
    const refused = (text: string, message: RegExp) => assert.throws(() => parseBudgets(text), message)
    refused("a: 1", /a: expected demands by name/)
    refused("a: { b: { demand: x } }", /a\.b: expected one number/)
    refused("a: { b: { demand: x, at_least: 1, at_most: 2 } }", /a\.b: expected one number/)
    refused("a: { b: { demand: x, at_least: high } }", /a\.b: expected one number/)
    refused("a: { b: { at_least: 1 } }", /a\.b: "demand"/)
    refused("a: { b: { demand: x, at_lest: 1 } }", /a\.b: unknown at_lest/)
  })

  it("is read as bounds by scenario and name", () => {
    const budgets = parseBudgets("a: { b: { demand: x, at_most: 2 } }")
    assert.deepStrictEqual(budgets.get("a")?.get("b"), { bound: "at_most", limit: 2, demand: "x" })
  })
})

describe("a verdict", () => {
  it("goes by the median of the rounds, the bound included", () => {
    assert.isTrue(judge("share", least, "", [0.1, 0.9, 0.95]).met)
    assert.isFalse(judge("share", least, "", [0.1, 0.89, 0.95]).met)
    assert.isTrue(judge("p99", most, "ms", [500, 20, 1]).met)
    assert.isFalse(judge("p99", most, "ms", [500, 20.1, 1]).met)
  })

  it("is a miss where nothing was measured", () => {
    assert.isFalse(judge("share", least, "", []).met)
    assert.isFalse(judge("p99", most, "ms", [NaN]).met)
  })

  it("is shown beside its bound and its spread", () => {
    const table = renderOutcome({
      measurements: [{ what: "raw", unit: "texts/s", values: [250, 251, 249] }],
      verdicts: [judge("share", least, "", [0.5, 0.6, 0.7]), judge("p99", most, "ms", [5])],
      notes: ["on fp32"],
      plots: []
    })
    assert.strictEqual(
      table,
      [
        "| measured | median (least..most) | unit    |",
        "| -------- | -------------------- | ------- |",
        "| raw      | 250 (249..251)       | texts/s |",
        "",
        "| demand | bound   | median (least..most) | unit | verdict |",
        "| ------ | ------- | -------------------- | ---- | ------- |",
        "| share  | ≥ 0.900 | 0.600 (0.500..0.700) |      | MISSED  |",
        "| p99    | ≤ 20.0  | 5.00                 | ms   | met     |",
        "",
        "- on fp32"
      ].join("\n")
    )
  })
})
