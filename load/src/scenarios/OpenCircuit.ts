/**
 * A model that fails: how many calls it fails before its circuit opens, how soon the circuit refuses, and how many probe it.
 */
import { type CandidateOptions, placeOf } from "../../plugins/Candidate.ts"
import { pause } from "../Bench.ts"
import { plugin } from "../processes/Registry.ts"
import type { Running } from "../processes/Server.ts"
import { median, percentile } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { predictPath } from "./TextServers.ts"

const failures = 5
const openMs = 2000
const refusals = 2000
const callers = 32
/** Numbers of this share of all fail. */
const options: typeof CandidateOptions.Type = { fails: 0.5 }

const numbers = Array.from({ length: 64 }, (_, i) => i + 1)
const bad = numbers.filter((number) => placeOf(number) < 0.5)
const good = numbers.filter((number) => placeOf(number) >= 0.5)

interface Answer {
  readonly status: number
  /** As the caller sees it. */
  readonly ms: number
  /** By the server's own word. */
  readonly serverMs: number
}

const ask = async ({ url }: Running, number: number): Promise<Answer> => {
  const startedMs = performance.now()
  const response = await fetch(`${url}${predictPath}`, {
    method: "POST",
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: JSON.stringify({ model: "failing", features: [[number]] })
  })
  await response.arrayBuffer()
  const total = /total;dur=([\d.]+)/.exec(response.headers.get("server-timing") ?? "")?.[1]
  return { status: response.status, ms: performance.now() - startedMs, serverMs: Number(total ?? NaN) }
}

const oneRound = async (sluice: Running) => {
  let failed = 0
  while ((await ask(sluice, bad[failed % bad.length]!)).status === 502) failed++
  const refused: Array<Answer> = []
  const openedMs = performance.now()
  for (let i = 0; i < refusals && performance.now() - openedMs < openMs / 2; i++) {
    refused.push(await ask(sluice, good[0]!))
  }
  await pause(openMs + 100 - (performance.now() - openedMs))
  const first = await Promise.all(Array.from({ length: callers }, (_, i) => ask(sluice, good[i % good.length]!)))
  const after = await Promise.all(Array.from({ length: callers }, (_, i) => ask(sluice, good[i % good.length]!)))
  const answered = (answers: ReadonlyArray<Answer>) => answers.filter(({ status }) => status === 200).length
  return {
    failed,
    isRefused: refused.every(({ status }) => status === 503),
    refusalsMs: refused.map(({ ms }) => ms),
    serverMs: refused.map(({ serverMs }) => serverMs),
    probes: answered(first),
    answeredAfter: answered(after) / callers
  }
}

export const openCircuit: Scenario = {
  name: "breaker",
  about:
    `a model that fails ${failures} calls in a row: when its circuit opens, how soon it refuses, how many of ${callers} calls probe`,
  run: async (bench) => {
    const sluice = await bench.sluice({
      plugins: ["Candidate"],
      models: { failing: { path: plugin("Candidate"), plugin: "candidate", instances: 2, options } },
      env: { BREAKER_FAILURES: String(failures), BREAKER_OPEN_DURATION: `${openMs} millis` }
    })
    // Compiled code, as the other scenarios have it: an answer now and then keeps the circuit closed.
    for (const number of good) await ask(sluice, number)
    const { open } = await bench.rounds({ open: () => oneRound(sluice) })
    bench.measured("a refusal, as the caller sees it: p50", "ms", open.map((round) => median(round.refusalsMs)))
    bench.measured("a refusal, as the caller sees it: p99", "ms", open.map((round) => percentile(round.refusalsMs, 99)))
    bench.measured("a refusal, in the server: p50", "ms", open.map((round) => median(round.serverMs)))
    bench.demand("failures_until_open", "calls", open.map(({ failed }) => failed))
    bench.demand("refused_while_open", "", open.map(({ isRefused }) => isRefused ? 1 : 0))
    bench.demand("refusal_p99_ms", "ms", open.map((round) => percentile(round.serverMs, 99)))
    bench.demand("probes", "calls", open.map(({ probes }) => probes))
    bench.demand("answered_after", "", open.map(({ answeredAfter }) => answeredAfter))
  }
}
