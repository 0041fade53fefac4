/**
 * How one registry entry will be served: its plugin, file, options, threads and limits, settled before anything loads.
 */
import type { Device, Precision } from "@sluice/domain/ModelInfo"
import type { Plugin, PluginContext } from "@sluice/plugin-sdk/Plugin"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Fs from "node:fs"
import { fieldPath } from "../config/ConfigError.ts"
import { modelFiles } from "../execution/ModelFiles.ts"
import { logLine } from "../execution/PluginLog.ts"
import { planThreads, servingDefaults, type ThreadPlan } from "../execution/ThreadPlan.ts"
import type { LoadSpec } from "../execution/WorkerProtocol.ts"
import type { FixedPlan } from "../tuning/PlanChoice.ts"
import type { ChosenPlugin, PluginCatalogue } from "./PluginCatalogue.ts"
import { type PrecisionChoice, resolvePrecision, resolveUnderLoad } from "./PrecisionChoice.ts"
import type { VersionEntry } from "./RegistryEntry.ts"

/** What the configuration sets for every version that does not set it for itself. */
export interface ServingConfig {
  readonly cores: number
  /** A model whose run of one row takes less, in milliseconds, runs on the event loop. 0: none does. */
  readonly inlineBoundMs: number
  readonly device: Device
  /** What every version that has such a file is switched to. */
  readonly precision: Precision | undefined
  /** Undefined: each plugin's own. */
  readonly maxBatchSize: number | undefined
  readonly maxBatchCost: number | undefined
  readonly window: Duration.Duration
  readonly queueCapacity: number
  readonly timeoutMs: number
  readonly runTimeout: Duration.Duration
}

export interface VersionPlan {
  readonly entry: VersionEntry
  readonly plugin: ChosenPlugin
  readonly context: PluginContext
  /** The entry's options, decoded by the plugin's schema. */
  readonly options: unknown
  readonly spec: LoadSpec
  readonly threads: ThreadPlan
  /** What the operator has fixed of threads and batch size; the rest may be chosen by measuring. */
  readonly fixed: FixedPlan
  readonly maxBatchSize: number
  readonly maxBatchCost: number
  readonly windowMs: number
  readonly queueCapacity: number
  /** How long a batch may take by the cost model; undefined where it only has to pay. */
  readonly latencyTargetMs: number | undefined
  /** Whether a row's answer is the same alone and in a batch. */
  readonly batchInvariant: boolean
  /** The share of a batch's padded cost that may be padding, 0 to 1. */
  readonly maxPaddedWaste: number
  /** Below it a run of one row is short enough for the event loop, in milliseconds; 0 where that is not wanted. */
  readonly inlineBoundMs: number
  /** Threads of one more instance for lone rows; 0 for none. */
  readonly soloThreads: number
  readonly timeoutMs: number
  readonly runTimeoutMs: number
  /** What the version holds in memory, by its file's size for each copy, in bytes. */
  readonly memoryBytes: number
  /** The same version in a lighter precision, for requests that would wait longer than so many milliseconds. */
  readonly underLoad: { readonly plan: VersionPlan; readonly aboveWaitMs: number } | undefined
  /** Said to the operator when the version starts. */
  readonly notices: ReadonlyArray<string>
}

/** A registry entry that cannot be served as it stands. The sentence names the file and line to change. */
export class EntryRefused
  extends Data.TaggedError("EntryRefused")<{ readonly entry: VersionEntry; readonly reason: string }>
{
  override get message() {
    const { file, line } = this.entry.source
    return `${file}:${line}: model "${this.entry.model}" version "${this.entry.version}": ${this.reason}`
  }
}

/** A quarter of what is computed may be padding, where padding changes no answer. */
const defaultPaddedWaste = 0.25

/** One more copy of a larger file would cost more memory than a lone row is worth. */
const soloFileBytes = 200 * 1024 * 1024

const fileBytes = (path: string): number => Fs.statSync(path, { throwIfNoEntry: false })?.size ?? Infinity

/** Where several instances of one thread each share the cores, unless the operator decided for one end. */
const mayHaveSolo = (entry: VersionEntry, device: Device, { instances, isolation, threads }: ThreadPlan): boolean =>
  entry.optimizeFor === "auto" && entry.threads === undefined && entry.instances === undefined &&
  isolation === "thread" && device === "cpu" && instances > 1 && threads === 1

/** A mistyped option must not be one that silently does nothing. */
const decodeOptions = (plugin: Plugin, options: unknown) =>
  Schema.decodeUnknownEffect(plugin.options)(options, { errors: "all", onExcessProperty: "error" })

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

/** Every mistake in the options, each with the path of its field. */
const describeMistakes = ({ issue }: Schema.SchemaError): string =>
  formatIssues(issue).issues.map(({ message, path = [] }) =>
    `${fieldPath(["options", ...path.map((part) => typeof part === "object" ? part.key : part)])}: ${message}`
  ).join("; ")

/** Settles one file of an entry. */
const planFile = Effect.fnUntraced(function*(
  entry: VersionEntry,
  choice: PrecisionChoice,
  config: ServingConfig,
  catalogue: PluginCatalogue["Service"]
) {
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const refuse = (reason: string) => new EntryRefused({ entry, reason })
  const path = choice.file.absolute
  const plugin = yield* catalogue.choose(entry.plugin, modelFiles(path)).pipe(
    Effect.mapError((error) => refuse(error.reason))
  )
  const options = yield* decodeOptions(plugin.plugin, entry.options).pipe(
    Effect.mapError((error) => refuse(describeMistakes(error)))
  )
  const device = entry.device ?? config.device
  const { serving } = plugin.plugin
  // A dynamically quantised model has one scale for a whole batch, padding included.
  const batchInvariant = entry.batchInvariant ?? choice.precision !== "int8"
  const threads = planThreads({
    cores: config.cores,
    serving,
    instances: entry.instances,
    threads: entry.threads,
    isolation: entry.isolation
  })
  // A model that may crash, or that computes elsewhere, has no business on the event loop.
  const mayBeInline = serving?.inline === true && entry.inline === "auto" && entry.isolation === "thread" &&
    device === "cpu"
  const bytes = fileBytes(path)
  const soloThreads = mayHaveSolo(entry, device, threads) && bytes <= soloFileBytes ? config.cores : 0
  return {
    entry,
    plugin,
    context: {
      model: entry.model,
      version: entry.version,
      files: modelFiles(path),
      device,
      precision: choice.precision,
      threads: threads.threads,
      log: (level, message) => runFork(logLine({ level, message, model: entry.model, version: entry.version }))
    },
    options,
    spec: {
      pluginUrl: plugin.url,
      model: entry.model,
      version: entry.version,
      path,
      device,
      precision: choice.precision,
      threads: threads.threads,
      warmup: entry.warmup,
      options: entry.options
    },
    threads,
    fixed: {
      instances: entry.instances,
      threads: entry.threads,
      maxBatchSize: entry.batching.maxBatchSize ?? config.maxBatchSize
    },
    maxBatchSize: entry.batching.maxBatchSize ?? config.maxBatchSize ?? serving?.maxBatchSize ??
      servingDefaults.maxBatchSize,
    maxBatchCost: entry.batching.maxBatchCost ?? config.maxBatchCost ?? Infinity,
    windowMs: Duration.toMillis(entry.batching.window ?? config.window),
    queueCapacity: entry.batching.queueCapacity ?? config.queueCapacity,
    latencyTargetMs: entry.batching.latencyTarget === undefined
      ? undefined
      : Duration.toMillis(entry.batching.latencyTarget),
    batchInvariant,
    maxPaddedWaste: entry.batching.maxPaddedWaste ?? (batchInvariant ? defaultPaddedWaste : 0),
    inlineBoundMs: mayBeInline ? config.inlineBoundMs : 0,
    soloThreads,
    timeoutMs: entry.timeoutMs ?? config.timeoutMs,
    runTimeoutMs: Duration.toMillis(entry.runTimeout ?? config.runTimeout),
    memoryBytes: Number.isFinite(bytes) ? bytes * (threads.instances + (soloThreads > 0 ? 1 : 0)) : 0,
    underLoad: undefined,
    notices: choice.notice === undefined ? [] : [choice.notice]
  } satisfies VersionPlan
})

/** Settles one entry, or says why it cannot be served. */
export const planVersion = Effect.fnUntraced(function*(
  entry: VersionEntry,
  config: ServingConfig,
  catalogue: PluginCatalogue["Service"]
): Effect.fn.Return<VersionPlan, EntryRefused> {
  const choice = resolvePrecision(entry, config.precision, entry.device ?? config.device)
  const plan = yield* planFile(entry, choice, config, catalogue)
  const lighter = resolveUnderLoad(entry, choice.precision)
  if (lighter === undefined || entry.int8AboveWait === undefined) return plan
  const lighterPlan = yield* planFile(entry, lighter, config, catalogue)
  return {
    ...plan,
    memoryBytes: plan.memoryBytes + lighterPlan.memoryBytes,
    underLoad: { plan: lighterPlan, aboveWaitMs: Duration.toMillis(entry.int8AboveWait) }
  }
})
