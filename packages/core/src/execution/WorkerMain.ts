/**
 * The entry of a worker thread: loads instances of models and computes their batches, one call at a time.
 */
import { ModelSignature } from "@sluice/domain/ModelSignature"
import { type Model, type Plugin, type PluginContext, PluginError } from "@sluice/plugin-sdk/Plugin"
import { zeroRow } from "@sluice/plugin-sdk/TensorRows"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { type MessagePort, parentPort } from "node:worker_threads"
import { modelFiles } from "./ModelFiles.ts"
import { type FromWorker, toTransferable, type ToWorker } from "./WorkerProtocol.ts"

const instances = new Map<number, { readonly model: Model; readonly scope: Scope.Closeable }>()
/** The last call of each instance that is not released: there is one at a time. */
const calls = new Map<number, Fiber.Fiber<void>>()

const post = (port: MessagePort, message: FromWorker, transfer: ReadonlyArray<ArrayBuffer> = []): void =>
  port.postMessage(message, [...transfer])

const decodeSignature = (signature: unknown) =>
  Effect.mapError(
    Schema.decodeUnknownEffect(ModelSignature)(signature),
    (error) => new PluginError({ reason: `the plugin gave no valid signature: ${error.message}` })
  )

const load = Effect.fnUntraced(function*(
  port: MessagePort,
  { call, instance, spec }: Extract<ToWorker, { readonly _tag: "Load" }>
) {
  const module: { readonly default: Plugin } = yield* Effect.promise(() => import(spec.pluginUrl))
  const plugin = module.default
  const options = yield* Schema.decodeUnknownEffect(plugin.options)(spec.options)
  const context: PluginContext = {
    ...spec,
    files: modelFiles(spec.path),
    log: (level, message) => post(port, { _tag: "Log", level, message, model: spec.model, version: spec.version })
  }
  const scope = yield* Scope.make()
  yield* Effect.gen(function*() {
    const model = yield* plugin.load(context, options)
    const signature = yield* decodeSignature(model.signature)
    const started = performance.now()
    for (const batch of model.warmup ?? [zeroRow(signature)]) yield* model.run(batch)
    const warmupMs = performance.now() - started
    post(port, { _tag: "Loaded", call, signature, warmupMs })
    instances.set(instance, { model, scope })
  }).pipe(
    Scope.provide(scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
})

/** One that loads still is given up; one that computes still may end that first. */
const release = Effect.fnUntraced(function*(instance: number) {
  const call = calls.get(instance)
  if (call !== undefined) yield* (instances.has(instance) ? Fiber.await(call) : Fiber.interrupt(call))
  const entry = instances.get(instance)
  calls.delete(instance)
  instances.delete(instance)
  if (entry !== undefined) yield* Scope.close(entry.scope, Exit.void)
})

const handle = Effect.fnUntraced(function*(port: MessagePort, message: ToWorker) {
  const { call, instance } = message
  switch (message._tag) {
    case "Load":
      return yield* load(port, message)
    case "Run": {
      const entry = instances.get(instance)
      if (entry === undefined) return post(port, { _tag: "Failed", call, reason: "the instance is not loaded" })
      const started = performance.now()
      const result = yield* entry.model.run(message.inputs)
      const computeMs = performance.now() - started
      const { buffers, tensors } = toTransferable(result)
      return post(port, { _tag: "Ran", call, outputs: tensors, computeMs }, buffers)
    }
    case "Release":
      yield* release(instance)
      return post(port, { _tag: "Released", call })
    case "Stop":
      yield* Effect.forEach([...calls.keys()], release, { concurrency: "unbounded" })
      return process.exit(0)
  }
})

/** Defects of a plugin (a thrown exception) are failures of the call, not the end of the worker. */
const reasonOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

if (parentPort !== null) {
  const port = parentPort
  port.on("message", (message: ToWorker) => {
    const fiber = Effect.runFork(
      Effect.catchCause(
        handle(port, message),
        (cause) => Effect.sync(() => post(port, { _tag: "Failed", call: message.call, reason: reasonOf(cause) }))
      )
    )
    if (message._tag === "Load" || message._tag === "Run") calls.set(message.instance, fiber)
  })
}
