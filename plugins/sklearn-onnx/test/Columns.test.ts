import { assert, describe, it } from "@effect/vitest"
import type { Datatype } from "@sluice/plugin-sdk"
import * as Result from "effect/Result"
import { columnsOf } from "../src/Columns.ts"

const input = (name: string, shape: ReadonlyArray<number>, datatype: Datatype = "FP32") => ({ name, datatype, shape })

/** Columns as "name datatype" in order, or the refusal. */
const columns = (inputs: ReadonlyArray<ReturnType<typeof input>>, names?: ReadonlyArray<string>) =>
  Result.match(columnsOf({ inputs }, names), {
    onSuccess: ({ columns, groups }) => [
      columns.map(({ datatype, name }) => `${name ?? "?"} ${datatype}`).join(", "),
      groups.map(({ spec, start, width }) => `${spec.name} ${start}+${width}`).join(", ")
    ],
    onFailure: (reason) => reason
  })

describe("columnsOf", () => {
  it.each<[string, ReturnType<typeof columns>, ReturnType<typeof columns>]>([
    ["one input, named", columns([input("X", [-1, 2])], ["a", "b"]), ["a FP32, b FP32", "X 0+2"]],
    ["one input, unnamed", columns([input("X", [-1, 2])]), ["? FP32, ? FP32", "X 0+2"]],
    ["one input of unknown width", columns([input("X", [-1, -1])], ["a", "b"]), ["a FP32, b FP32", "X 0+2"]],
    ["one input a column", columns([input("age", [-1, 1]), input("port", [-1, 1], "BYTES")]), [
      "age FP32, port BYTES",
      "age 0+1, port 1+1"
    ]],
    ["inputs without a second dimension", columns([input("a", [-1]), input("b", [-1])]), [
      "a FP32, b FP32",
      "a 0+1, b 1+1"
    ]],
    ["inputs of several columns", columns([input("n", [-1, 2]), input("s", [-1, 1], "BYTES")], ["a", "b", "c"]), [
      "a FP32, b FP32, c BYTES",
      "n 0+2, s 2+1"
    ]],
    ["only some columns' names known", columns([input("n", [-1, 2]), input("s", [-1, 1])]), [
      "? FP32, ? FP32, s FP32",
      "n 0+2, s 2+1"
    ]]
  ])("%s", (_, actual, expected) => {
    assert.deepStrictEqual(actual, expected)
  })

  it.each<[string, ReturnType<typeof columns>, RegExp]>([
    [
      "more names than columns",
      columns([input("X", [-1, 2])], ["a", "b", "c"]),
      /^there are 3 feature names, but the model has 2 columns$/
    ],
    [
      "fewer names than columns",
      columns([input("a", [-1, 1]), input("b", [-1, 1])], ["a"]),
      /^there are 1 feature names, but the model has 2/
    ],
    [
      "an unknown width without names",
      columns([input("X", [-1, -1])]),
      /^input "X" \[-1, -1\] has no fixed number of columns/
    ],
    ["pictures", columns([input("X", [-1, 3, 8])], ["a"]), /^input "X" \[-1, 3, 8\] has no fixed number of columns/]
  ])("refuses %s", (_, actual, says) => {
    assert.match(String(actual), says)
  })
})
