/**
 * Where a rollout stands, as text: its sides, how they compare, and what was decided last. Pure.
 */
import type { RolloutComparison, RolloutDecision, RolloutSide, RolloutStatus } from "@sluice/domain/RolloutStatus"
import { cell, renderTable } from "../Table.ts"

const figure = (value: number | null): string =>
  value === null ? "" : value >= 100 ? value.toFixed(0) : value.toPrecision(3)

const share = (part: number, whole: number): string => whole === 0 ? "" : ` (${(100 * part / whole).toFixed(1)} %)`

const headline = (status: RolloutStatus): string => {
  const { default_version, model, percentage, phase, revision, target_version, type, weights } = status
  if (type === "pinned") return `${model} is pinned to ${default_version}; revision ${revision}`
  const spread = weights === undefined
    ? `of ${target_version ?? "no target"} beside ${default_version}: ${phase}, ${percentage} %`
    : `over ${Object.entries(weights).map(([version, weight]) => `${version} ${weight}`).join(", ")}: ${phase}`
  return `${model} has a rollout of type ${type} ${spread}; revision ${revision}`
}

const sideRow = (name: string, side: RolloutSide | undefined): ReadonlyArray<ReadonlyArray<string>> =>
  side === undefined ? [] : [[
    name,
    side.version,
    String(side.requests),
    `${side.errors}${share(side.errors, side.requests)}`,
    figure(side.p50_ms),
    figure(side.p99_ms)
  ]]

const compared = (comparison: RolloutComparison): ReadonlyArray<string> => {
  const { agreed, dropped, examples, items, max_abs_distance, mean_cosine } = comparison
  const distances = [
    ...(max_abs_distance === null ? [] : [`largest distance ${figure(max_abs_distance)}`]),
    ...(mean_cosine === null ? [] : [`mean cosine ${mean_cosine.toFixed(4)}`]),
    ...(dropped === 0 ? [] : [`${dropped} not compared`])
  ]
  return [
    `${items} items compared, ${agreed} agree${share(agreed, items)}${distances.map((text) => `, ${text}`).join("")}`,
    ...(examples.length === 0
      ? []
      : [
        "",
        renderTable(
          ["INPUT", "DEFAULT", "TARGET"],
          examples.map((each) => [
            cell(each.input ?? ""),
            cell(each.default),
            cell(each.target)
          ])
        )
      ])
  ]
}

const decided = (decisions: ReadonlyArray<RolloutDecision>): string =>
  renderTable(
    ["AT", "BY", "DECISION", "PERCENTAGE", "REASON"],
    decisions.map(({ at, by, decision, percentage, reason }) => [at, by, decision, `${percentage} %`, cell(reason, 90)])
  )

export const renderRollout = (status: RolloutStatus): string => {
  const sides = [...sideRow("default", status.default), ...sideRow("target", status.target)]
  const parts = [
    [headline(status)],
    sides.length === 0 ? [] : [renderTable(["SIDE", "VERSION", "REQUESTS", "ERRORS", "P50 MS", "P99 MS"], sides)],
    status.comparison === undefined ? [] : compared(status.comparison),
    status.decisions.length === 0 ? [] : [decided(status.decisions)]
  ]
  return parts.filter((part) => part.length > 0).map((part) => part.join("\n")).join("\n\n")
}
