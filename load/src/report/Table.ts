/**
 * An outcome as tables in Markdown: figures first, then demands with their verdicts.
 */
import type { Outcome } from "./Outcome.ts"
import { figure, spread } from "./Statistics.ts"

type Row = ReadonlyArray<string>

const table = (header: Row, rows: ReadonlyArray<Row>): ReadonlyArray<string> => {
  const widths = header.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: Row) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`
  return [line(header), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)]
}

export const renderOutcome = ({ measurements, notes, verdicts }: Outcome): string => {
  const figures = measurements.map(({ unit, values, what }) => [what, spread(values), unit])
  const demands = verdicts.map(({ bound, demand, limit, met, unit, values }) => [
    demand,
    `${bound === "at_least" ? "≥" : "≤"} ${figure(limit)}`,
    spread(values),
    unit,
    met ? "met" : "MISSED"
  ])
  return [
    ...table(["measured", "median (least..most)", "unit"], figures),
    ...(demands.length === 0
      ? []
      : ["", ...table(["demand", "bound", "median (least..most)", "unit", "verdict"], demands)]),
    ...(notes.length === 0 ? [] : ["", ...notes.map((note) => `- ${note}`)])
  ].join("\n")
}
