/**
 * The limit: onnxruntime-node in a plain loop, without HTTP, queues or anything else. Inputs are tokenised beforehand, so
 * tokenising is not in it.
 */
import { Tokenizer } from "@huggingface/tokenizers"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { dirname, join } from "node:path"
import { Worker } from "node:worker_threads"
import { maxTokens } from "../processes/Registry.ts"
import { median } from "../report/Statistics.ts"
import { bestPlan, describePlan, type RawPlan, rawPlans } from "./RawPlan.ts"
import type { RawItems, RawOrder, RawRun, RawWork } from "./RawWorker.ts"

export interface RawResult {
  readonly itemsPerSecond: number
  /** Of one run, in milliseconds. */
  readonly p50: number
}

export interface RawLoop {
  readonly plan: RawPlan
  readonly run: (seconds: number) => Promise<RawResult>
  readonly close: () => Promise<void>
}

/** The texts' token ids, by the tokenizer beside the model. */
export const tokenized = (model: string, texts: ReadonlyArray<string>): RawItems => {
  const read = (name: string): object => JSON.parse(readFileSync(join(dirname(model), name), "utf8"))
  const tokenizer = new Tokenizer(read("tokenizer.json"), read("tokenizer_config.json"))
  return { kind: "tokens", items: texts.map((text) => tokenizer.encode(text).ids.slice(0, maxTokens)) }
}

const send = (worker: Worker, order: RawOrder): void => worker.postMessage(order)

/** Rejects when the worker fails. */
const answerOf = async <A>(worker: Worker): Promise<A> => {
  const [answer]: ReadonlyArray<A> = await once(worker, "message")
  if (answer === undefined) throw new Error("a raw worker answered nothing")
  return answer
}

/** Loads the sessions; they stay loaded, and idle, between runs. */
export const openRaw = async (model: string, items: RawItems, plan: RawPlan): Promise<RawLoop> => {
  const workers = Array.from({ length: plan.sessions }, (_, i) => {
    const first = Math.floor((i * items.items.length) / plan.sessions)
    const { batch, threads } = plan
    const workerData: RawWork = { ...items, model, threads, batch, first }
    return new Worker(new URL("./RawWorker.ts", import.meta.url), { workerData })
  })
  await Promise.all(workers.map((worker) => answerOf<string>(worker)))
  const run = async (seconds: number): Promise<RawResult> => {
    for (const worker of workers) send(worker, seconds)
    const runs = await Promise.all(workers.map((worker) => answerOf<RawRun>(worker)))
    return {
      itemsPerSecond: runs.reduce((sum, { items }) => sum + items, 0) / seconds,
      p50: median(runs.flatMap(({ durationsMs }) => durationsMs))
    }
  }
  await run(0.3)
  const close = async (): Promise<void> => {
    const exits = workers.map((worker) => once(worker, "exit"))
    for (const worker of workers) send(worker, 0)
    await Promise.all(exits)
  }
  return { plan, run, close }
}

export interface BestRaw {
  readonly loop: RawLoop
  /** What was tried, for the notes. */
  readonly tried: string
}

/** A machine that does other things slows a trial down and never speeds it up, so of several the fastest counts. */
const trials = 3

/** Tries every plan, in turn, for so long each; leaves the best one open. */
export const openBestRaw = async (model: string, items: RawItems, secondsEach: number): Promise<BestRaw> => {
  const loops: Array<RawLoop> = []
  for (const plan of rawPlans(availableParallelism())) loops.push(await openRaw(model, items, plan))
  const rates = loops.map((): Array<number> => [])
  for (let trial = 0; trial < trials; trial++) {
    for (const [i, loop] of loops.entries()) rates[i]!.push((await loop.run(secondsEach)).itemsPerSecond)
  }
  const tried = loops.map((loop, i) => ({ loop, plan: loop.plan, itemsPerSecond: Math.max(...rates[i]!) }))
  const best = bestPlan(tried)
  for (const { loop } of tried) if (loop !== best.loop) await loop.close()
  const list = tried.map((each) => `${describePlan(each.plan)}: ${each.itemsPerSecond.toFixed(0)}/s`).join("; ")
  return { loop: best.loop, tried: `raw tried: ${list}. Compared with: ${describePlan(best.plan)}` }
}
