/**
 * What people read on the terminal.
 */
import { assert, describe, it } from "@effect/vitest"
import { helpText } from "../src/HelpText.ts"
import { type PlanReport, renderPlan } from "../src/models/PlanReport.ts"
import { mergeResponses, renderPredictions } from "../src/predict/PredictTable.ts"
import { cell, renderTable } from "../src/Table.ts"

const response = {
  request_id: "r-1",
  model: "m",
  model_version: "v1",
  results: [],
  latency_ms: 2,
  inference_time_seconds: 0.001,
  throughput_samples_per_sec: 500
}

describe("a table", () => {
  it("is as wide as its widest cells, without the columns that are empty, and no blanks at the end", () => {
    assert.strictEqual(
      renderTable(["A", "EMPTY", "B"], [["one", "", "x"], ["two three", "", ""]]),
      "A          B\none        x\ntwo three"
    )
  })

  it("counts wide characters as two columns", () => {
    assert.strictEqual(renderTable(["A", "B"], [["日本", "x"], ["abcd", "y"]]), "A     B\n日本  x\nabcd  y")
  })

  it("has cells of one line, cut where they are long", () => {
    assert.strictEqual(cell("two\n  lines\t"), "two lines")
    assert.strictEqual(cell("abcdef", 5), "abcd…")
    assert.strictEqual(cell("abcde", 5), "abcde")
    assert.strictEqual(cell("日本語", 5), "日本…")
  })
})

describe("predictions", () => {
  it("of texts have their scores, the likeliest first", () => {
    const text = renderPredictions({ texts: ["fine"] }, {
      ...response,
      results: [{ text: "fine", prediction: "positive", scores: { negative: 0.25, positive: 0.75 }, cached: true }]
    })
    assert.strictEqual(
      text,
      "INPUT  PREDICTION  SCORES\nfine   positive    positive 75.0 %, negative 25.0 %\n\nm@v1: 1 item in 2 ms, 1 from the cache"
    )
  })

  it("of rows, records, vectors, outputs and failures are one line each", () => {
    const results = [
      { prediction: 671.49999 },
      { embedding: [0.123456, 2, 3, 4, 5] },
      { outputs: { y: [1, 2], z: ["a"] } },
      { error: { code: "invalid_input", status: 422, detail: "expected 2 features" } }
    ]
    const text = renderPredictions({ features: [[1, 2], [3, 4], [5, 6], [7]] }, { ...response, results })
    assert.strictEqual(
      text,
      [
        "INPUT  PREDICTION",
        "1, 2   671.5",
        "3, 4   0.1235 2 3 4 … (5 values)",
        "5, 6   y: 1 2; z: a",
        "7      failed: expected 2 features",
        "",
        "m@v1: 4 items in 2 ms"
      ].join("\n")
    )
    assert.include(renderPredictions({ records: [{ age: 3 }] }, { ...response, results: [{ prediction: 1 }] }), "age=3")
  })

  it("of several calls are one answer, with the times of all", () => {
    const merged = mergeResponses({ ...response, results: [{ prediction: 1 }] }, [
      { ...response, request_id: "r-2", latency_ms: 3, results: [{ prediction: 2 }, { prediction: 3 }] }
    ])
    assert.deepStrictEqual(merged, {
      ...response,
      results: [{ prediction: 1 }, { prediction: 2 }, { prediction: 3 }],
      latency_ms: 5,
      inference_time_seconds: 0.002,
      throughput_samples_per_sec: 600
    })
  })
})

describe("help", () => {
  it("fits a terminal, with an empty line between paragraphs", () => {
    const text = helpText("word ".repeat(60).trim(), "The end.")
    const lines = text.split("\n")
    assert.isTrue(lines.every((line) => line.length <= 100))
    assert.deepStrictEqual(lines.slice(-2), ["", "  The end."])
    assert.strictEqual(text.split(/\s+/).length, 62)
  })
})

describe("a measured plan", () => {
  const point = (instances: number, batch: number, itemsPerSecond: number, aloneMs: number) => ({
    instances,
    threads: 3 - instances,
    batch,
    cost: 16,
    itemsPerSecond,
    aloneMs
  })
  const report: PlanReport = {
    model_id: "m@v1",
    optimize_for: "auto",
    cores: 2,
    table: {
      points: [point(1, 1, 190.4, 4.6), point(2, 2, 252, 15.25), point(2, 1, 1250, 7.7)],
      othersBusy: 0,
      measuredAt: "2026-01-02T03:04:05.000Z",
      complete: true
    },
    choice: { instances: 2, threads: 1, maxBatchSize: 2, reason: "It is the faster." }
  }

  it("is a table by layout and batch, and the choice with its reason", () => {
    const [header, ...lines] = renderPlan(report).split("\n")
    assert.match(header ?? "", /^INSTANCES +THREADS +COST +BATCH +ITEMS\/S +ALONE MS$/)
    assert.deepStrictEqual(lines.slice(0, 3).map((line) => line.split(/ +/)), [
      ["2", "1", "16", "1", "1250", "7.70"],
      ["2", "1", "16", "2", "252", "15.3", "chosen"],
      ["1", "2", "16", "1", "190", "4.60"]
    ])
    assert.match(lines.at(-1) ?? "", /^m@v1 on 2 cores, .*: 2 instances of 1 thread, batches of at most 2\. It is the/)
    assert.notMatch(lines.join("\n"), /Other programs|Time ran out/)
  })

  it("says what makes its figures doubtful", () => {
    const table = { ...report.table, othersBusy: 0.42, complete: false }
    const text = renderPlan({ ...report, table })
    assert.match(text, /Other programs used 42 % of this machine/)
    assert.match(text, /Time ran out/)
  })

  it("says that nothing changes where nothing fits", () => {
    assert.match(renderPlan({ ...report, choice: undefined }), /m@v1 keeps its plan/)
  })
})
