import { assert, describe, it } from "@effect/vitest"
import { luaScript, parseWrk } from "../src/generators/Wrk.ts"
import { evenlyMixed, mixedLengths, reviews } from "../src/Inputs.ts"
import { parseOptions, UsageError } from "../src/Options.ts"
import { parentOf } from "../src/processes/ProcessTree.ts"
import { metricValues } from "../src/processes/ServerMetrics.ts"
import { bestPlan, rawPlans } from "../src/references/RawPlan.ts"
import { mean } from "../src/report/Statistics.ts"
import { interleave } from "../src/Rounds.ts"
import { lostTwice } from "../src/scenarios/KilledInstances.ts"

describe("the command line", () => {
  const known = ["one", "two"]

  it("takes scenarios, all of them, or none", () => {
    assert.deepStrictEqual(parseOptions(["two", "--rounds", "5"], known).scenarios, ["two"])
    assert.strictEqual(parseOptions(["two", "--rounds", "5"], known).rounds, 5)
    assert.deepStrictEqual(parseOptions(["all"], known).scenarios, known)
    assert.deepStrictEqual(parseOptions([], known).scenarios, [])
  })

  it("refuses what it does not know", () => {
    for (const args of [["three"], ["one", "--round", "3"], ["one", "--rounds", "0"], ["one", "--seconds", "1.5"]]) {
      assert.throws(() => parseOptions(args, known), UsageError)
    }
  })
})

it("every step runs in every round, backwards in every second", async () => {
  const order: Array<string> = []
  let next = 0
  const step = (name: string) => () => {
    order.push(name)
    return Promise.resolve(next++)
  }
  const results = await interleave(3, { a: step("a"), b: step("b") })
  assert.deepStrictEqual(order, ["a", "b", "b", "a", "a", "b"])
  assert.deepStrictEqual(results, { a: [0, 3, 4], b: [1, 2, 5] })
})

describe("texts of mixed lengths", () => {
  it("any quarter costs about as much as any other", () => {
    const ascending = Array.from({ length: 2000 }, (_, i) => 5 + 380 * (i / 2000) ** 4)
    const mixed = evenlyMixed(ascending, 256)
    const all = mean(mixed)
    for (const from of [0, 64, 128, 192]) {
      assert.closeTo(mean(mixed.slice(from, from + 64)) / all, 1, 0.15)
    }
  })

  it("there are as many as asked for, in a fixed order", () => {
    for (const count of [1, 35, 300]) {
      assert.lengthOf(mixedLengths(count), count)
      assert.lengthOf(reviews(count), count)
    }
    assert.deepStrictEqual(mixedLengths(8), mixedLengths(8))
  })
})

describe("raw's plans", () => {
  it("are one-thread sessions on all cores, and one session on all of them", () => {
    assert.deepStrictEqual(rawPlans(4)[0], { sessions: 4, threads: 1, batch: 1 })
    assert.isTrue(rawPlans(4).slice(1).every(({ sessions, threads }) => sessions === 1 && threads === 4))
    const distinct = new Set(rawPlans(1).map((plan) => JSON.stringify(plan)))
    assert.strictEqual(distinct.size, rawPlans(1).length)
  })

  it("the one with most items a second is best", () => {
    const tried = rawPlans(2).map((plan, i) => ({ plan, itemsPerSecond: [148, 253, 100, 90][i]! }))
    assert.strictEqual(bestPlan(tried), tried[1])
  })
})

describe("wrk", () => {
  it("is told bodies as Lua strings", () => {
    const script = luaScript({ url: "", headers: { "x-a": "1" }, requests: [{ body: "{\"text\":\"a\\nb\"}" }] })
    assert.include(script, "local bodies = {\"{\\\"text\\\":\\\"a\\\\nb\\\"}\"}")
    assert.include(script, "[\"x-a\"]=\"1\"")
  })

  it("is read by its result line, and fails without one", () => {
    const result = parseWrk("Running 1s test\nRESULT 100.500000 1.200000 3.400000 2\n")
    assert.deepStrictEqual(result, { requestsPerSecond: 100.5, p50: 1.2, p99: 3.4, failures: 2 })
    assert.throws(() => parseWrk("Running 1s test\n"), /no result/)
  })
})

it("a metric's values are found by their labels, and not those of longer names", () => {
  const page = "# HELP a x\na{b=\"c d\"} 2\na 1.5\na_total 9\n"
  assert.deepStrictEqual([...metricValues(page, "a")], [["{b=\"c d\"}", 2], ["", 1.5]])
})

it("a process' parent is found behind a name with blanks and brackets", () => {
  assert.strictEqual(parentOf("42 (a) b (c) S 7 42 42 0"), 7)
})

it("an item is without a retry when two batches with it were lost", () => {
  assert.strictEqual(lostTwice([[1, 2], [2, 3], [4]]), 1)
  assert.strictEqual(lostTwice([]), 0)
})
