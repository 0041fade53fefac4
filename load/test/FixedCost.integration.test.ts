/**
 * The stand-in for a GPU keeps the contract of plugins, in real time.
 */
import { conformance } from "@sluice/plugin-sdk/Conformance"
import fixedCost, { width } from "../plugins/FixedCost.ts"
import { plugin } from "../src/processes/Registry.ts"

conformance("the fixed-cost plugin", {
  plugin: fixedCost,
  path: plugin("FixedCost"),
  invalidOptions: [],
  rows: [1, 2, 3].map((value) => ({
    x: { datatype: "FP32" as const, shape: [1, width], data: new Float32Array(width).fill(value) }
  }))
})
