/**
 * What vegeta saw, request by request: read from its JSON, put right for coordinated omission, and summed up.
 */
import { percentile } from "../report/Statistics.ts"

/** One request and its end. */
export interface Shot {
  readonly seq: number
  /** The request's tag, or the empty text. */
  readonly tag: string
  /** 0 where no answer came. */
  readonly status: number
  /** Milliseconds since the epoch. */
  readonly sentMs: number
  readonly latencyMs: number
  /** Why no answer came; the status line for answers from 400 on; else empty. */
  readonly error: string
  readonly retryAfter: string | undefined
  readonly body: Buffer
}

interface Line {
  readonly seq: number
  readonly code: number
  readonly timestamp: string
  readonly latency: number
  readonly error: string
  readonly body: string | null
  readonly url: string
  readonly headers: Readonly<Record<string, ReadonlyArray<string>>> | null
}

/** RFC 3339 with up to nine digits after the second; a Date alone would cut them to milliseconds. */
export const epochMs = (timestamp: string): number => {
  const found = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(timestamp)
  if (found === null) return NaN
  const [, seconds, fraction = "0", zone] = found
  return Date.parse(`${seconds}${zone}`) + Number(`0.${fraction}`) * 1000
}

/** Reads what `vegeta encode -to json` prints, in the order of sending. */
export const parseShots = (text: string): ReadonlyArray<Shot> =>
  text.split("\n").filter((line) => line !== "").map((line): Shot => {
    const { body, code, error, headers, latency, seq, timestamp, url }: Line = JSON.parse(line)
    return {
      seq,
      tag: url.split("?")[1] ?? "",
      status: code,
      sentMs: epochMs(timestamp),
      latencyMs: latency / 1e6,
      error,
      retryAfter: headers?.["Retry-After"]?.[0],
      body: Buffer.from(body ?? "", "base64")
    }
  }).toSorted((a, b) => a.seq - b.seq)

/**
 * Latencies from when each request was due. vegeta starts a request's clock when it sends it, so that a generator that
 * comes late would hide its lateness. Request n is due n intervals after the schedule's start; no request is sent before
 * it is due, so the earliest start that the requests allow is taken for the schedule's.
 */
export const fromDue = (shots: ReadonlyArray<Shot>, perSecond: number): ReadonlyArray<Shot> => {
  const intervalMs = 1000 / perSecond
  const startMs = shots.reduce((least, { sentMs, seq }) => Math.min(least, sentMs - seq * intervalMs), Infinity)
  return shots.map((shot) => {
    const dueMs = startMs + shot.seq * intervalMs
    return { ...shot, sentMs: dueMs, latencyMs: shot.latencyMs + shot.sentMs - dueMs }
  })
}

export const isAnswered = ({ status }: Shot): boolean => status >= 200 && status < 300

/** A percentile of the latencies, in milliseconds. NaN for none. */
export const latency = (shots: ReadonlyArray<Shot>, percent: number): number =>
  percentile(shots.map(({ latencyMs }) => latencyMs), percent)

/** What was sent from `fromMs` to `toMs` after the first. */
export const sentBetween = (shots: ReadonlyArray<Shot>, fromMs: number, toMs = Infinity): ReadonlyArray<Shot> => {
  const firstMs = shots[0]?.sentMs ?? 0
  return shots.filter(({ sentMs }) => sentMs - firstMs >= fromMs && sentMs - firstMs < toMs)
}

/**
 * What ended within so many seconds of the first sending, a second. A closed loop's last requests end after its end, and
 * would count for more than there was time for.
 */
export const endedPerSecond = (
  shots: ReadonlyArray<Shot>,
  seconds: number,
  counts: (shot: Shot) => boolean
): number => {
  const endMs = (shots[0]?.sentMs ?? 0) + seconds * 1000
  return shots.filter((shot) => shot.sentMs + shot.latencyMs <= endMs && counts(shot)).length / seconds
}

export interface UnderDeadline {
  /** Answers within the deadline, a second. */
  readonly goodput: number
  /** Of the answers, in milliseconds. */
  readonly answeredP99: number
  /** Requests that got no answer. */
  readonly refused: number
  /** Share of those whose refusal is 503 with Retry-After; 1 where there are none. */
  readonly politeShare: number
  /** Of the refusals, in milliseconds; 0 where there are none. */
  readonly refusalP99: number
}

/** Of requests that were sent within `seconds`. */
export const underDeadline = (shots: ReadonlyArray<Shot>, seconds: number, deadlineMs: number): UnderDeadline => {
  const answered = shots.filter(isAnswered)
  const refused = shots.filter((shot) => !isAnswered(shot))
  const polite = refused.filter(({ retryAfter, status }) => status === 503 && retryAfter !== undefined)
  return {
    goodput: answered.filter(({ latencyMs }) => latencyMs <= deadlineMs).length / seconds,
    answeredP99: latency(answered, 99),
    refused: refused.length,
    politeShare: refused.length === 0 ? 1 : polite.length / refused.length,
    refusalP99: refused.length === 0 ? 0 : latency(refused, 99)
  }
}

/** How often each end occurred: a status, or no answer. */
export const ends = (shots: ReadonlyArray<Shot>): string => {
  const counts = new Map<string, number>()
  for (const { status } of shots) {
    const end = status === 0 ? "no answer" : String(status)
    counts.set(end, (counts.get(end) ?? 0) + 1)
  }
  return [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([end, count]) => `${count} × ${end}`).join(", ")
}
