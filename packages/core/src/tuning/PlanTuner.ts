/**
 * Settles how a version is laid out over the cores: as the operator fixed it, as measurements of the model speak for,
 * or as its plugin prefers.
 */
import { modelId } from "@sluice/domain/Ids"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Os from "node:os"
import { ModelHost } from "../execution/ModelHost.ts"
import { fileDigest, type FileUnreadable } from "../registry/FileDigest.ts"
import type { VersionPlan } from "../registry/VersionPlan.ts"
import { calibrate, type CalibrationFailed } from "./Calibration.ts"
import { candidateLayouts } from "./Layouts.ts"
import { choosePlan, type PlanChoice } from "./PlanChoice.ts"
import { makePlanStore, type PlanKey } from "./PlanStore.ts"
import type { PlanTable } from "./PlanTable.ts"

export interface TunerOptions {
  /** Where tables are kept. */
  readonly directory: string
  readonly cores: number
}

export interface Tuned {
  readonly table: PlanTable
  /** Undefined where nothing was measured that fits what the operator fixed. */
  readonly choice: PlanChoice | undefined
  /** Why the table is not kept for the next start, if so. */
  readonly notKept: string | undefined
}

/** About how long a version is measured, in milliseconds, where it waits for that to be ready, and where a person does. */
export const tuningBudgetMs = { atStart: 20_000, onRequest: 60_000 } as const

/** With more of the machine in others' hands, a table says nothing that a start should go by. */
const busyShare = 0.25

const isDoubtful = ({ othersBusy }: PlanTable): boolean => othersBusy > busyShare

/** The version of onnxruntime that a plugin's module finds; other runtimes go by the plugin's name alone. */
const runtimeOf = (pluginUrl: string): string => {
  try {
    const manifest: unknown = createRequire(pluginUrl)("onnxruntime-node/package.json")
    return typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : ""
  } catch {
    return ""
  }
}

const keyOf = ({ fixed, plugin, spec }: VersionPlan, cores: number): Effect.Effect<PlanKey, FileUnreadable> =>
  Effect.map(fileDigest(spec.path), (model) => ({
    model,
    plugin: plugin.plugin.name,
    options: spec.options,
    device: spec.device,
    cpu: Os.cpus()[0]?.model ?? "",
    cores,
    instances: fixed.instances ?? 0,
    threads: fixed.threads ?? 0,
    node: process.version,
    runtime: runtimeOf(spec.pluginUrl)
  }))

/** The version as the choice has it. */
export const withChoice = (plan: VersionPlan, { instances, maxBatchSize, threads }: PlanChoice): VersionPlan => ({
  ...plan,
  threads: { ...plan.threads, instances, threads },
  spec: { ...plan.spec, threads },
  context: { ...plan.context, threads },
  maxBatchSize
})

const isFixed = ({ fixed }: VersionPlan): boolean =>
  fixed.instances !== undefined && fixed.threads !== undefined && fixed.maxBatchSize !== undefined

const choiceOf = ({ entry, fixed }: VersionPlan, table: PlanTable): PlanChoice | undefined =>
  choosePlan(table.points, entry.optimizeFor, fixed)

export class PlanTuner extends Context.Service<PlanTuner, {
  /**
   * The version as it is to be served. A table that was kept is used; where there is none, `optimize_for: throughput` and
   * `latency` measure the model, one at a time, once `quiet` has settled. What goes wrong costs no more than the choice.
   */
  readonly settle: (plan: VersionPlan, quiet: Effect.Effect<void>) => Effect.Effect<VersionPlan>
  /** Measures the model now, for about so many milliseconds, and keeps the table unless the machine was too busy. */
  readonly measure: (
    plan: VersionPlan,
    budgetMs: number
  ) => Effect.Effect<Tuned, CalibrationFailed | FileUnreadable>
}>()("sluice/core/PlanTuner") {
  /** Every version as its plan says: nothing is measured, nothing read. */
  static readonly layerNone = Layer.succeed(PlanTuner, {
    settle: (plan) => Effect.succeed(plan),
    measure: () => Effect.die("this server measures no models")
  })

  static readonly layer = ({ cores, directory }: TunerOptions) =>
    Layer.effect(
      PlanTuner,
      Effect.gen(function*() {
        const host = yield* ModelHost
        const store = makePlanStore(directory)
        const oneAtATime = yield* Semaphore.make(1)

        const measureNow = Effect.fnUntraced(function*(plan: VersionPlan, budgetMs: number) {
          const { runTimeoutMs, spec } = plan
          const fileBytes = Fs.statSync(spec.path, { throwIfNoEntry: false })?.size ?? 0
          return yield* calibrate({
            budgetMs,
            layouts: candidateLayouts({ cores, availableBytes: process.availableMemory() }, fileBytes, plan.fixed),
            open: ({ instances, threads }) =>
              host.open(
                { ...spec, threads },
                { instances, threads, isolation: plan.threads.isolation, shareWorker: false },
                { runTimeoutMs, measure: true }
              )
          })
        }, Semaphore.withPermit(oneAtATime))
        /** Keeps a table that is worth it; says why it does not, if so. */
        const keep = Effect.fnUntraced(function*(key: PlanKey, table: PlanTable) {
          if (isDoubtful(table)) {
            return `other programs used ${Math.round(table.othersBusy * 100)} % of the machine while it was measured`
          }
          const kept = yield* Effect.result(store.keep(key, table))
          return Result.isFailure(kept) ? kept.failure.message : undefined
        })

        const found = Effect.fnUntraced(function*(plan: VersionPlan, quiet: Effect.Effect<void>) {
          const measures = plan.entry.optimizeFor !== "auto"
          if (isFixed(plan) || (!measures && (yield* store.isEmpty))) return plan
          const key = yield* keyOf(plan, cores)
          const table = yield* store.find(key)
          const known = table === undefined ? undefined : choiceOf(plan, table)
          if (known === undefined && !measures) return plan
          const id = modelId(plan.entry.model, plan.entry.version)
          let choice = known
          if (choice === undefined) {
            yield* quiet
            yield* Effect.logInfo(`${id} is measured for optimize_for: ${plan.entry.optimizeFor}, and ready after that`)
            const measured = yield* measureNow(plan, tuningBudgetMs.atStart)
            const notKept = yield* keep(key, measured)
            if (notKept !== undefined) {
              yield* Effect.logWarning(`what was measured of ${id} is not kept: ${notKept}`)
            }
            choice = isDoubtful(measured) ? undefined : choiceOf(plan, measured)
          }
          if (choice === undefined) return plan
          yield* Effect.logInfo(`${id} is planned as measured. ${choice.reason}`)
          return withChoice(plan, choice)
        })

        return PlanTuner.of({
          settle: (plan, quiet) =>
            Effect.catch(found(plan, quiet), (error) =>
              Effect.as(
                Effect.logWarning(
                  `${modelId(plan.entry.model, plan.entry.version)} could not be measured: ${error.message}`
                ),
                plan
              )),
          measure: Effect.fnUntraced(function*(plan, budgetMs) {
            const key = yield* keyOf(plan, cores)
            const table = yield* measureNow(plan, budgetMs)
            return { table, choice: choiceOf(plan, table), notKept: yield* keep(key, table) }
          })
        })
      })
    )
}
