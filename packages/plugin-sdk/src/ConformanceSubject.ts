/**
 * What the conformance suite is run on, and how it opens it as the host would.
 */
import type { Item } from "@sluice/domain/Item"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import type { Codec, Model, Plugin, PluginContext } from "./Plugin.ts"
import { canStack } from "./TensorRows.ts"

/** A promise of the contract that the plugin does not keep, as a sentence. */
export class ConformanceFailure extends Data.TaggedError("ConformanceFailure")<{
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message() {
    return this.detail
  }
}

export interface ConformanceSubject<Options, Encoded> {
  readonly plugin: Plugin<Options, Encoded>
  /** A model file that the plugin can load. */
  readonly path: string
  /** The registry entry's `options`; `{}` when left out. */
  readonly options?: unknown
  /** Options to be refused, and the path of the field at fault, such as `["labels", 0]`. */
  readonly invalidOptions: ReadonlyArray<{ readonly options: unknown; readonly path: ReadonlyArray<PropertyKey> }>
  /** Items that the model takes: two or more of unequal size, for a plugin with a codec. */
  readonly items?: ReadonlyArray<Item>
  /** Items of an accepted kind that the codec must refuse. */
  readonly invalidItems?: ReadonlyArray<Item>
  /** Input tensors of one row each, for a plugin without a codec. */
  readonly rows?: ReadonlyArray<TensorMap>
  /** How far a row's numbers may be from the same row's in a batch. Default 1e-4. */
  readonly tolerance?: number
  /** False for models whose answers depend on the batch, such as dynamically quantised ones. Default true. */
  readonly batchInvariant?: boolean
  readonly context?: Partial<Pick<PluginContext, "device" | "precision" | "threads">>
}

/** A subject's model as the host has it: loaded, with its codec and the rows to run. */
export interface Opened {
  readonly model: Model
  readonly codec: Codec | undefined
  readonly rows: ReadonlyArray<TensorMap>
}

/** No check waits longer for a plugin to settle. */
const PATIENCE: Duration.Input = "20 seconds"

export const refute = (detail: string, cause?: unknown): Effect.Effect<never, ConformanceFailure> =>
  Effect.fail(
    new ConformanceFailure(cause === undefined ? { detail } : { detail: `${detail}: ${String(cause)}`, cause })
  )

/** Runs a plugin's effect apart from the check, so that one that never ends or cannot be interrupted fails the check. */
export const settle = <A, E>(
  what: string,
  effect: Effect.Effect<A, E>,
  onStart: (fiber: Fiber.Fiber<A, E>) => void = () => {}
): Effect.Effect<Exit.Exit<A, E>, ConformanceFailure> =>
  Effect.gen(function*() {
    // Suspended, so that a plugin that throws where it should fail is a defect of its fiber
    const fiber = yield* Effect.forkDetach(Effect.suspend(() => effect), { startImmediately: true })
    onStart(fiber)
    const exit = yield* Effect.timeoutOption(Fiber.await(fiber), PATIENCE)
    return Option.isSome(exit) ? exit.value : yield* refute(`${what} did not settle`)
  })

/** What a plugin's effect gives; its failures and defects are the check's. */
export const succeed = <A, E>(what: string, effect: Effect.Effect<A, E>): Effect.Effect<A, ConformanceFailure> =>
  Effect.flatMap(settle(what, effect), (exit) =>
    Exit.isSuccess(exit)
      ? Effect.succeed(exit.value)
      : refute(`${what} ${Cause.hasDies(exit.cause) ? "died" : "failed"}`, Cause.squash(exit.cause)))

/** Demands that an effect ended as the contract's error `tag`. */
export const failedWith = <A, E extends { readonly _tag: string }>(
  what: string,
  tag: string,
  exit: Exit.Exit<A, E>
): Effect.Effect<void, ConformanceFailure> => {
  if (Exit.isSuccess(exit)) return refute(`${what} succeeded, expected ${tag}`)
  const error = Exit.findErrorOption(exit)
  if (Exit.hasDies(exit) || Option.isNone(error)) {
    return refute(`${what} died, expected ${tag}`, Cause.squash(exit.cause))
  }
  return error.value._tag === tag ? Effect.void : refute(`${what} failed with ${error.value._tag}, expected ${tag}`)
}

/** The context in which a plugin's tests load the model file at `path`, as the host would on a CPU with one thread. */
export const fileContext = (
  path: string,
  changes: Partial<Omit<PluginContext, "files">> = {}
): PluginContext => {
  const absolute = resolve(path)
  return {
    model: "model",
    version: "v1",
    files: {
      path: absolute,
      beside: (name) => {
        const file = join(dirname(absolute), name)
        return existsSync(file) ? file : undefined
      }
    },
    device: "cpu",
    precision: "fp32",
    threads: 1,
    log: () => {},
    ...changes
  }
}

const contextOf = <O, E>(subject: ConformanceSubject<O, E>): PluginContext => fileContext(subject.path, subject.context)

export const decodeOptions = <O, E>(
  subject: ConformanceSubject<O, E>,
  options: unknown
): Effect.Effect<O, Schema.SchemaError> =>
  Schema.decodeUnknownEffect(subject.plugin.options)(options, { errors: "all", onExcessProperty: "error" })

/** Loads the subject's model into the scope. */
export const openModel = <O, E>(
  subject: ConformanceSubject<O, E>
): Effect.Effect<{ readonly model: Model; readonly options: O }, ConformanceFailure, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const options = yield* succeed("decoding the options", decodeOptions(subject, subject.options ?? {}))
    const load = Effect.suspend(() => subject.plugin.load(contextOf(subject), options))
    const model = yield* succeed("load", Effect.provideService(load, Scope.Scope, scope))
    return { model, options }
  })

const encodeAll = (codec: Codec, items: ReadonlyArray<Item>) =>
  Effect.forEach(items, (item) =>
    Effect.suspend(() =>
      Result.match(codec.encode(item), {
        onFailure: (invalid) => refute(`encode refused a good item: ${invalid.detail}`),
        onSuccess: Effect.succeed
      })
    ))

/** Loads the model, opens its codec and encodes the subject's items. */
export const open = <O, E>(
  subject: ConformanceSubject<O, E>
): Effect.Effect<Opened, ConformanceFailure, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const { model, options } = yield* openModel(subject)
    const { codec: openCodec } = subject.plugin
    const codec = openCodec === undefined ? undefined : yield* succeed(
      "codec",
      Effect.provideService(
        Effect.suspend(() => openCodec(contextOf(subject), options, model.signature)),
        Scope.Scope,
        scope
      )
    )
    const encoded = codec === undefined ? [] : yield* encodeAll(codec, subject.items ?? [])
    const rows = [...encoded, ...(subject.rows ?? [])]
    if (rows.length === 0) return yield* refute("the subject has neither items nor rows to run")
    return { model, codec, rows }
  })

/** The rows that fit into one batch with the first. */
export const batchOf = ({ codec, rows }: Opened): ReadonlyArray<TensorMap> =>
  rows.filter((row) => canStack(rows[0]!, row, codec?.padding))
