/**
 * What a model's file says of itself, as text. Pure.
 */
import type { FileReport } from "@sluice/core/registry/FileInspection"
import { cell, renderTable } from "../Table.ts"
import { sizeText } from "./ProgressBar.ts"

type Value = FileReport["inputs"][number]

const shapeText = (shape: ReadonlyArray<number> | undefined): string =>
  shape === undefined ? "not said" : `[${shape.map((size) => size === -1 ? "any" : String(size)).join(", ")}]`

const valueRow = (role: string) => ({ datatype, kind, name, shape }: Value): ReadonlyArray<string> => [
  role,
  cell(name),
  datatype ?? (kind === "tensor" ? "of no OIP datatype" : kind),
  shapeText(shape)
]

const counted = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", ")

const number = new Intl.NumberFormat("en")

/** Inputs and outputs as a table, then a line a fact; facts that the file lacks are left out. */
export const renderReport = (report: FileReport): string => {
  const { externalFiles, inputs, opsets, outputs, parameters, quantised, weights } = report
  const opsetText = Object.entries(opsets).map(([domain, version]) => `${domain || "ai.onnx"} ${version}`).join(", ")
  const weightText = Object.keys(weights).length === 0 ?
    "" :
    ` (${Object.entries(weights).map(([type, count]) => `${type} ${number.format(count)}`).join(", ")})`
  const facts: ReadonlyArray<readonly [name: string, value: string]> = [
    ["format", `${report.format}, IR version ${report.irVersion}, opsets ${opsetText}`],
    ["producer", report.producer],
    ["size", `${sizeText(report.sizeBytes)} (${number.format(report.sizeBytes)} bytes)`],
    ["precision", report.precision],
    ["parameters", `${number.format(parameters)}${weightText}`],
    ["operators", counted(report.operators)],
    ["quantised", quantised.join(", ")],
    ["weights in", externalFiles.join(", ")]
  ]
  return [
    renderTable(["", "NAME", "DATATYPE", "SHAPE"], [
      ...inputs.map(valueRow("input")),
      ...outputs.map(valueRow("output"))
    ]),
    "",
    ...facts.filter(([, value]) => value !== "").map(([name, value]) => `${name.padEnd(10)}  ${cell(value, 2000)}`)
  ].join("\n")
}
