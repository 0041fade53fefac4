/**
 * An answer as plain data: the same whether Effect's HTTP writes it or a direct route does.
 */
import type { Degradation, InferResult, StageTimings } from "@sluice/core/InferRequest"

export interface AnswerHead {
  readonly status: number
  readonly contentType: string
  /** Beside those that every answer has. */
  readonly headers: Readonly<Record<string, string>>
}

export interface PlainAnswer extends AnswerHead {
  readonly body: string
}

/** Milliseconds with two decimals; `toFixed` takes five times as long, and an answer has five of them. */
const hundredths = (ms: number): string => {
  const count = Math.round(ms * 100)
  const rest = count % 100
  return `${(count - rest) / 100}.${rest < 10 ? "0" : ""}${rest}`
}

/** W3C Server-Timing of an answer that no model made, `dur` in milliseconds. */
export const totalTiming = (ms: number): string => `total;dur=${hundredths(ms)}`

/** W3C Server-Timing, `dur` in milliseconds. */
export const serverTiming = ({ cache, compute, encode, queue, total }: StageTimings): string =>
  `queue;dur=${hundredths(queue)}, encode;dur=${hundredths(encode)}, compute;dur=${hundredths(compute)}, ` +
  `cache;dur=${hundredths(cache)}, ${totalTiming(total)}`

/** The value of `X-Degraded`: how an answer came about that is not the one asked for. */
const degradedText = (degraded: Degradation): string =>
  degraded.kind === "fallback"
    ? `fallback; model="${degraded.model}"; version="${degraded.version}"`
    : degraded.kind

/** The head of what a model answered, with what its guard says. */
export const inferHead = (
  { ageMs, cacheStatus, degraded, precision, timings, version }: InferResult,
  guardHeaders: Readonly<Record<string, string>>
): AnswerHead => ({
  status: 200,
  contentType: "application/json",
  headers: {
    "server-timing": serverTiming(timings),
    "x-cache": cacheStatus,
    "x-model-version": version,
    "x-model-precision": precision,
    ...(ageMs === undefined ? {} : { age: String(Math.floor(ageMs / 1000)) }),
    ...(degraded === undefined ? {} : { "x-degraded": degradedText(degraded) }),
    ...guardHeaders
  }
})
