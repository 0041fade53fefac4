/**
 * What was measured of a model, and the plan that is chosen by it, as text. Pure.
 */
import { layoutText, type PlanChoice } from "@sluice/core/tuning/PlanChoice"
import type { PlanPoint, PlanTable } from "@sluice/core/tuning/PlanTable"
import { renderTable } from "../Table.ts"

export interface PlanReport {
  readonly model_id: string
  readonly optimize_for: string
  readonly cores: number
  readonly table: PlanTable
  readonly choice: PlanChoice | undefined
}

/** Above this share the figures are those of a busy machine. */
export const busyShare = 0.1

export const percent = (share: number): string => `${Math.round(share * 100)} %`

const figure = (value: number): string => value >= 1000 ? value.toFixed(0) : value.toPrecision(3)

const isChosen = (choice: PlanChoice | undefined, { batch, instances, threads }: PlanPoint): boolean =>
  instances === choice?.instances && threads === choice.threads && batch === choice.maxBatchSize

/** A table of the points, by layout, length and batch; then the choice with its reason. */
export const renderPlan = ({ choice, cores, model_id, optimize_for, table }: PlanReport): string => {
  const { complete, othersBusy, points } = table
  const rows = points
    .toSorted((a, b) => b.instances - a.instances || a.threads - b.threads || a.cost - b.cost || a.batch - b.batch)
    .map((point) => [
      String(point.instances),
      String(point.threads),
      String(point.cost),
      String(point.batch),
      figure(point.itemsPerSecond),
      figure(point.aloneMs),
      isChosen(choice, point) ? "chosen" : ""
    ])
  const notes = [
    ...(complete ? [] : ["Time ran out before all batches were measured; larger ones are missing."]),
    ...(othersBusy > busyShare
      ? [`Other programs used ${percent(othersBusy)} of this machine meanwhile: measure again when it is idle.`]
      : [])
  ]
  return [
    renderTable(["INSTANCES", "THREADS", "COST", "BATCH", "ITEMS/S", "ALONE MS", ""], rows),
    "",
    "COST is that of a row: tokens for texts. ITEMS/S is of all instances at the same time, ALONE MS one batch on an idle machine.",
    ...notes,
    "",
    choice === undefined
      ? `${model_id} keeps its plan: none of what was measured fits what the registry fixes`
      : `${model_id} on ${cores} cores, optimize_for: ${optimize_for}: ${layoutText(choice)}, batches of at most ` +
        `${choice.maxBatchSize}. ${choice.reason}`
  ].join("\n")
}
