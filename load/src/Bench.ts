/**
 * What a scenario works with: processes that end with it, generators, rounds, and the collection of what it finds.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { findVegeta, findWrk } from "./generators/Programs.ts"
import type { Traffic } from "./generators/Traffic.ts"
import { type OpenLoop, runVegeta, type VegetaOptions } from "./generators/Vegeta.ts"
import type { Shot } from "./generators/VegetaResults.ts"
import { type ClosedLoop, runWrk, type WrkResult } from "./generators/Wrk.ts"
import type { Options } from "./Options.ts"
import { type RedisProcess, startRedisToHarm } from "./processes/RedisProcess.ts"
import { plugin, registryText, type VersionYaml } from "./processes/Registry.ts"
import { type Program, type Running, startEcho, startProgram, startRedis, startSluice } from "./processes/Server.ts"
import { openBestRaw, openRaw, type RawLoop } from "./references/RawLoop.ts"
import type { RawPlan } from "./references/RawPlan.ts"
import type { RawItems } from "./references/RawWorker.ts"
import type { Budget } from "./report/Budgets.ts"
import { judge, type Measurement, type Outcome, type Plot, type Verdict } from "./report/Outcome.ts"
import { type ByRound, interleave, type Steps } from "./Rounds.ts"

export interface SluiceOptions {
  /** The registry file's text. */
  readonly registry?: string
  /** Model versions by model name, in place of a text; the registry that ships when both are left out. */
  readonly models?: Readonly<Record<string, VersionYaml>>
  /** Names of files in `load/plugins`. */
  readonly plugins?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
}

const shippedPlugins = ["@sluice/plugin-text", "@sluice/plugin-sklearn-onnx", "@sluice/plugin-onnx"]

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

/** How long the machine is left alone before each measurement. */
const settleMs = 300
const warmUpSeconds = 2
/** Of one trial of one of raw's plans. */
const trialSeconds = 1

export class Bench {
  readonly options: Options
  readonly say: (line: string) => void
  private readonly budgets: ReadonlyMap<string, Budget>
  private readonly ends: Array<() => Promise<void>> = []
  private readonly measurements: Array<Measurement> = []
  private readonly verdicts: Array<Verdict> = []
  private readonly notes: Array<string> = []
  private readonly plots: Array<Plot> = []
  private nextPort: number

  constructor(options: Options, budgets: ReadonlyMap<string, Budget>, say: (line: string) => void) {
    this.options = options
    this.budgets = budgets
    this.say = say
    this.nextPort = options.port
  }

  get outcome(): Outcome {
    const { measurements, notes, plots, verdicts } = this
    return { measurements, notes, plots, verdicts }
  }

  /** Ends what was started, last first. */
  async close(): Promise<void> {
    for (const end of this.ends.splice(0).toReversed()) await end()
  }

  /** A folder that is removed at the end. */
  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "sluice-load-"))
    this.ends.push(() => rm(folder, { recursive: true }))
    return folder
  }

  private keep(running: Running): Running {
    this.ends.push(running.stop)
    return running
  }

  async sluice({ env = {}, models, plugins = [], registry }: SluiceOptions = {}): Promise<Running> {
    const folder = await this.folder()
    const own: Record<string, string> = { SLUICE_STATE_DIR: folder }
    const text = models === undefined ? registry : registryText(models)
    if (text !== undefined) {
      own["MODEL_REGISTRY"] = join(folder, "registry.yaml")
      await writeFile(own["MODEL_REGISTRY"], text)
    }
    if (plugins.length > 0) own["SLUICE_PLUGINS"] = [...plugins.map(plugin), ...shippedPlugins].join(",")
    return this.keep(await startSluice(this.nextPort++, { ...own, ...env }))
  }

  /** One that can be killed, stalled and told to refuse. */
  async redisToHarm(): Promise<RedisProcess> {
    const redis = await startRedisToHarm(this.nextPort++)
    this.ends.push(redis.kill)
    return redis
  }

  async echo(): Promise<Running> {
    return this.keep(await startEcho(this.nextPort++))
  }

  async redis(): Promise<Running> {
    return this.keep(await startRedis(this.nextPort++))
  }

  async program(program: Program): Promise<Running> {
    return this.keep(await startProgram(program, this.nextPort++))
  }

  /** The limit at its best plan. The plans that were tried are noted. */
  async bestRaw(model: string, items: RawItems): Promise<RawLoop> {
    this.say("finding raw's best plan")
    const { loop, tried } = await openBestRaw(model, items, trialSeconds)
    this.ends.push(loop.close)
    this.note(tried)
    return loop
  }

  async raw(model: string, items: RawItems, plan: RawPlan): Promise<RawLoop> {
    const loop = await openRaw(model, items, plan)
    this.ends.push(loop.close)
    return loop
  }

  wrk(traffic: Traffic, callers: number, seconds = this.options.seconds): Promise<WrkResult> {
    return runWrk(findWrk(), traffic, { callers, seconds })
  }

  async vegeta(traffic: Traffic, load: OpenLoop | ClosedLoop, options?: VegetaOptions): Promise<ReadonlyArray<Shot>> {
    return runVegeta(await findVegeta(this.say), traffic, load, options)
  }

  /** Requests before the first round, so that compilers and caches of code have done their work. */
  async warmUp(callers: number, ...traffic: ReadonlyArray<Traffic>): Promise<void> {
    for (const each of traffic) await this.wrk(each, callers, warmUpSeconds)
  }

  rounds<S extends Steps>(steps: S): Promise<ByRound<S>> {
    return interleave(this.options.rounds, steps, async (step, round) => {
      await pause(settleMs)
      this.say(`round ${round + 1} of ${this.options.rounds}: ${step}`)
    })
  }

  measured(what: string, unit: string, values: ReadonlyArray<number>): void {
    this.measurements.push({ what, unit, values })
  }

  /** Holds what was measured against the scenario's budget of that name. */
  demand(name: string, unit: string, values: ReadonlyArray<number>): void {
    const budget = this.budgets.get(name)
    if (budget === undefined) throw new Error(`budgets.yaml has no "${name}" for this scenario`)
    this.verdicts.push(judge(name, budget, unit, values))
  }

  note(note: string): void {
    this.notes.push(note)
  }

  plot(plot: Plot): void {
    this.plots.push(plot)
  }
}
