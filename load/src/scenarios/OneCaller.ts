/**
 * One caller at an idle server: what HTTP, the queue and the way to the model add to a run.
 */
import { availableParallelism } from "node:os"
import { setTimeout } from "node:timers/promises"
import type { Bench } from "../Bench.ts"
import { type Traffic, uncached } from "../generators/Traffic.ts"
import { featureRows, reviews, rowBody } from "../Inputs.ts"
import { breastCancer } from "../processes/Registry.ts"
import { type RawLoop, type RawResult, tokenized } from "../references/RawLoop.ts"
import type { RawItems } from "../references/RawWorker.ts"
import type { Scenario } from "../Scenario.ts"
import { embeddingsHere, textTraffic } from "./TextServers.ts"

/** The faster of one thread and all of them, for one item alone. */
const fastestRaw = async (bench: Bench, model: string, items: RawItems): Promise<RawLoop> => {
  const cores = availableParallelism()
  const loops: Array<readonly [RawLoop, RawResult]> = []
  for (const threads of cores === 1 ? [1] : [1, cores]) {
    const loop = await bench.raw(model, items, { sessions: 1, threads, batch: 1 })
    loops.push([loop, await loop.run(1.5)])
  }
  const [best] = loops.toSorted(([, a], [, b]) => a.p50 - b.p50)
  const [loop] = best!
  bench.note(
    `raw, ${items.kind}: ${
      loops.map(([{ plan }, { p50 }]) => `${plan.threads} threads ${p50.toFixed(3)} ms`).join(", ")
    }; compared with the faster`
  )
  return loop
}

/** Until the server has measured what it chooses between. */
const settleMs = 5000

export const oneCaller: Scenario = {
  name: "one-caller",
  about: "one caller, idle server, a text and a row; p50 against a single run of raw",
  run: async (bench) => {
    const texts = reviews(256)
    const rows = featureRows(64)
    const models = { embeddings: embeddingsHere(), "breast-cancer": breastCancer() }
    const { seconds } = bench.options
    const rawText = await fastestRaw(bench, models.embeddings.path, tokenized(models.embeddings.path, texts))
    const rawRow = await fastestRaw(bench, models["breast-cancer"].path, { kind: "features", items: rows })
    // It measures the ways to compute a lone row when it has started, which no other work may disturb.
    const sluice = await bench.sluice({ models })
    await setTimeout(settleMs)
    const textCalls = textTraffic(sluice, texts)
    const rowCalls: Traffic = {
      url: `${sluice.url}/v2/models/breast-cancer/infer`,
      requests: rows.map((row) => ({ body: rowBody("features", row) })),
      headers: uncached
    }
    await bench.warmUp(1, textCalls, rowCalls)
    const rounds = await bench.rounds({
      "raw, text": () => rawText.run(seconds),
      "sluice, text": () => bench.wrk(textCalls, 1),
      "raw, row": () => rawRow.run(seconds),
      "sluice, row": () => bench.wrk(rowCalls, 1)
    })
    const p50 = (runs: ReadonlyArray<{ readonly p50: number }>): ReadonlyArray<number> => runs.map((run) => run.p50)
    const above = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): ReadonlyArray<number> =>
      a.map((value, round) => value - b[round]!)
    for (const [what, runs] of Object.entries(rounds)) bench.measured(`${what}, p50`, "ms", p50(runs))
    bench.demand("text_p50_above_raw_ms", "ms", above(p50(rounds["sluice, text"]), p50(rounds["raw, text"])))
    bench.demand("row_p50_above_raw_ms", "ms", above(p50(rounds["sluice, row"]), p50(rounds["raw, row"])))
  }
}
