/**
 * The entry of a worker, thread or process: loads instances of models and computes their batches, of each instance one
 * at a time.
 */
import { ModelSignature } from "@sluice/domain/ModelSignature"
import type { TensorMap } from "@sluice/domain/Tensor"
import { type Model, type Plugin, type PluginContext, PluginError } from "@sluice/plugin-sdk/Plugin"
import { zeroRow } from "@sluice/plugin-sdk/TensorRows"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { lowerPriority } from "./ComputePriority.ts"
import { openHostPort } from "./HostPort.ts"
import { modelFiles } from "./ModelFiles.ts"
import { probeModel, unprobed } from "./ModelProbe.ts"
import { outputWithoutNumber, warmupBatches } from "./WarmupBatches.ts"
import { type LoadSpec, toTransferable, type ToWorker } from "./WorkerProtocol.ts"

type Run = Extract<ToWorker, { readonly _tag: "Run" }>

interface Instance {
  readonly model: Model
  readonly scope: Scope.Closeable
  /** Batches that came while another was computed. */
  readonly waiting: Array<Run>
  computing: boolean
  /** Settles when nothing computes or waits any more. */
  drained: Deferred.Deferred<void> | undefined
}

lowerPriority()

const instances = new Map<number, Instance>()
const loading = new Map<number, Fiber.Fiber<void>>()
const port = openHostPort()

/** Defects of a plugin (a thrown exception) are failures of the call, not the end of the worker. */
const reasonOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

const fail = (call: number, cause: Cause.Cause<unknown>): void =>
  port.post({ _tag: "Failed", call, reason: reasonOf(cause) }, [])

const decodeSignature = (signature: unknown) =>
  Effect.mapError(
    Schema.decodeUnknownEffect(ModelSignature)(signature),
    (error) => new PluginError({ reason: `the plugin gave no valid signature: ${error.message}` })
  )

/** A version is not ready when it answers its own warm-up with what is no number. */
const warmUp = Effect.fnUntraced(function*(model: Model, signature: ModelSignature, spec: LoadSpec) {
  const wanted = warmupBatches(signature, spec.warmup ?? [])
  if (Result.isFailure(wanted)) return yield* new PluginError({ reason: wanted.failure })
  const own = [...model.warmup ?? [], ...wanted.success]
  // Nobody chose a row of zeros, so what comes of it says nothing of the model: a vector of zeros has no direction.
  if (own.length === 0) return yield* Effect.asVoid(model.run(zeroRow(signature)))
  for (const batch of own) {
    const output = outputWithoutNumber(yield* model.run(batch))
    if (output !== undefined) {
      return yield* new PluginError({ reason: `a warm-up run gave NaN or an infinity in output "${output}"` })
    }
  }
})

const load = Effect.fnUntraced(function*(
  { call, instance, measure, spec }: Extract<ToWorker, { readonly _tag: "Load" }>
) {
  port.setTitle(`sluice ${spec.model}@${spec.version}`)
  const module: { readonly default: Plugin } = yield* Effect.promise(() => import(spec.pluginUrl))
  const plugin = module.default
  const options = yield* Schema.decodeUnknownEffect(plugin.options)(spec.options)
  const context: PluginContext = {
    ...spec,
    files: modelFiles(spec.path),
    log: (level, message) => port.post({ _tag: "Log", level, message, model: spec.model, version: spec.version }, [])
  }
  const scope = yield* Scope.make()
  yield* Effect.gen(function*() {
    const model = yield* plugin.load(context, options)
    const signature = yield* decodeSignature(model.signature)
    const started = performance.now()
    yield* warmUp(model, signature, spec)
    const warmupMs = performance.now() - started
    const probed = measure ? yield* probeModel(model, signature) : unprobed
    port.post({ _tag: "Loaded", call, signature, warmupMs, ...probed }, [])
    instances.set(instance, { model, scope, waiting: [], computing: false, drained: undefined })
  }).pipe(
    Scope.provide(scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
})

const answer = ({ call }: Run, result: Exit.Exit<TensorMap, PluginError>, computeMs: number): void => {
  if (Exit.isFailure(result)) return fail(call, result.cause)
  try {
    const { buffers, tensors } = toTransferable(result.value)
    port.post({ _tag: "Ran", call, outputs: tensors, computeMs }, buffers)
  } catch (cause) {
    fail(call, Cause.die(cause))
  }
}

const compute = (instance: Instance, run: Run): void => {
  instance.computing = true
  const started = performance.now()
  Effect.runFork(Effect.suspend(() => instance.model.run(run.inputs))).addObserver((result) => {
    answer(run, result, performance.now() - started)
    instance.computing = false
    if (instance.waiting.length > 0) queueMicrotask(() => computeNext(instance))
    else if (instance.drained !== undefined) Deferred.doneUnsafe(instance.drained, Effect.void)
  })
}

const computeNext = (instance: Instance): void => {
  const run = instance.computing ? undefined : instance.waiting.shift()
  if (run !== undefined) compute(instance, run)
}

const run = (message: Run): void => {
  const instance = instances.get(message.instance)
  if (instance === undefined) {
    return port.post({ _tag: "Failed", call: message.call, reason: "the instance is not loaded" }, [])
  }
  instance.waiting.push(message)
  computeNext(instance)
}

/** One that loads still is given up; one that computes ends its batches first. */
const release = Effect.fnUntraced(function*(id: number) {
  const load = loading.get(id)
  if (load !== undefined) yield* Fiber.interrupt(load)
  const instance = instances.get(id)
  instances.delete(id)
  if (instance === undefined) return
  if (instance.computing || instance.waiting.length > 0) {
    instance.drained = Deferred.makeUnsafe()
    yield* Deferred.await(instance.drained)
  }
  yield* Scope.close(instance.scope, Exit.void)
})

const handle = (message: Exclude<ToWorker, Run>): Effect.Effect<void, unknown> => {
  switch (message._tag) {
    case "Load":
      return load(message)
    case "Release":
      return Effect.andThen(
        release(message.instance),
        Effect.sync(() => port.post({ _tag: "Released", call: message.call }, []))
      )
    case "Stop":
      return Effect.andThen(
        Effect.forEach(new Set([...loading.keys(), ...instances.keys()]), release, { concurrency: "unbounded" }),
        Effect.sync(port.end)
      )
  }
}

port.listen((message) => {
  if (message._tag === "Run") return run(message)
  const fiber = Effect.runFork(
    Effect.catchCause(handle(message), (cause) => Effect.sync(() => fail(message.call, cause)))
  )
  if (message._tag !== "Load") return
  loading.set(message.instance, fiber)
  fiber.addObserver(() => loading.delete(message.instance))
})
