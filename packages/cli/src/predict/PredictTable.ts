/**
 * Predictions as people read them: a row an item, and a line on the whole. Pure.
 */
import type { PredictedValue } from "@sluice/domain/Prediction"
import type { PredictResponse, PredictResult } from "@sluice/domain/PredictResponse"
import { cell, renderTable } from "../Table.ts"
import type { PredictBody } from "./PredictInput.ts"

/** How many of a vector's numbers, or of a model's classes, a row shows. */
const shownValues = 4

const significant = (value: PredictedValue): string =>
  typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(4))) : String(value)

const vector = (values: ReadonlyArray<PredictedValue>): string => {
  const first = values.slice(0, shownValues).map(significant).join(" ")
  return values.length > shownValues ? `${first} … (${values.length} values)` : first
}

/** The likeliest classes first. */
const chances = (byClass: Readonly<Record<string, number>> | undefined): string => {
  const sorted = Object.entries(byClass ?? {}).toSorted(([, a], [, b]) => b - a)
  const shown = sorted.slice(0, shownValues).map(([name, chance]) => `${name} ${(chance * 100).toFixed(1)} %`)
  return [...shown, ...(sorted.length > shownValues ? ["…"] : [])].join(", ")
}

const answer = ({ embedding, error, outputs, prediction }: PredictResult): string => {
  if (error !== undefined) return `failed: ${error.detail}`
  if (prediction !== undefined) return significant(prediction)
  if (embedding !== undefined) return vector(embedding)
  return Object.entries(outputs ?? {}).map(([name, values]) => `${name}: ${vector(values)}`).join("; ")
}

const inputs = ({ features, records, texts }: PredictBody): ReadonlyArray<string> =>
  texts ??
    features?.map((row) => row.join(", ")) ??
    records?.map((record) => Object.entries(record).map(([name, value]) => `${name}=${value}`).join(", ")) ??
    []

/** `body` is what was asked, in the order of the answer's results. */
export const renderPredictions = (body: PredictBody, response: PredictResponse): string => {
  const asked = inputs(body)
  const rows = response.results.map((result, index) => [
    cell(asked[index] ?? "", 48),
    cell(answer(result), 100),
    chances(result.scores ?? result.probabilities)
  ])
  const cached = response.results.filter((result) => result.cached === true).length
  const count = `${rows.length} item${rows.length === 1 ? "" : "s"}`
  const fromCache = cached === 0 ? "" : `, ${cached} from the cache`
  const summary = `${response.model}@${response.model_version}: ${count} in ${response.latency_ms} ms${fromCache}`
  return `${renderTable(["INPUT", "PREDICTION", "SCORES"], rows)}\n\n${summary}`
}

/** The answers of several calls as one. */
export const mergeResponses = (first: PredictResponse, rest: ReadonlyArray<PredictResponse>): PredictResponse => {
  const all = [first, ...rest]
  const sum = (pick: (response: PredictResponse) => number) =>
    Math.round(all.reduce((total, response) => total + pick(response), 0) * 1e6) / 1e6
  const results = all.flatMap((response) => response.results)
  const latency = sum((response) => response.latency_ms)
  return {
    ...first,
    results,
    latency_ms: latency,
    inference_time_seconds: sum((response) => response.inference_time_seconds),
    throughput_samples_per_sec: latency > 0 ? Math.round(results.length / latency * 10_000) / 10 : 0
  }
}
