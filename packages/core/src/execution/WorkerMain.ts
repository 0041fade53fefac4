/**
 * The entry of a worker thread: loads instances of models and computes their batches, one call at a time.
 */
import type { Model, Plugin, PluginContext } from "@sluice/plugin-sdk/Plugin"
import { zeroRow } from "@sluice/plugin-sdk/TensorRows"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { enableCompileCache } from "node:module"
import { type MessagePort, parentPort } from "node:worker_threads"
import { modelFiles } from "./ModelFiles.ts"
import { type FromWorker, type LoadSpec, toTransferable, type ToWorker } from "./WorkerProtocol.ts"

enableCompileCache()

const instances = new Map<number, { readonly model: Model; readonly scope: Scope.Closeable }>()

const post = (port: MessagePort, message: FromWorker, transfer: ReadonlyArray<ArrayBuffer> = []): void =>
  port.postMessage(message, [...transfer])

const load = Effect.fnUntraced(function*(port: MessagePort, instance: number, spec: LoadSpec) {
  const module: { readonly default: Plugin } = yield* Effect.promise(() => import(spec.pluginUrl))
  const plugin = module.default
  const options = yield* Schema.decodeUnknownEffect(plugin.options)(spec.options)
  const context: PluginContext = {
    ...spec,
    files: modelFiles(spec.path),
    log: (level, message) => post(port, { _tag: "Log", level, message, model: spec.model, version: spec.version })
  }
  const scope = yield* Scope.make()
  const model = yield* plugin.load(context, options).pipe(
    Scope.provide(scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
  const started = performance.now()
  for (const batch of model.warmup ?? [zeroRow(model.signature)]) yield* model.run(batch)
  instances.set(instance, { model, scope })
  return { signature: model.signature, warmupMs: performance.now() - started }
})

const handle = Effect.fnUntraced(function*(port: MessagePort, message: ToWorker) {
  const { call, instance } = message
  switch (message._tag) {
    case "Load": {
      const loaded = yield* load(port, instance, message.spec)
      return post(port, { _tag: "Loaded", call, ...loaded })
    }
    case "Run": {
      const entry = instances.get(instance)
      if (entry === undefined) return post(port, { _tag: "Failed", call, reason: "the instance is not loaded" })
      const started = performance.now()
      const result = yield* entry.model.run(message.inputs)
      const computeMs = performance.now() - started
      const { buffers, tensors } = toTransferable(result)
      return post(port, { _tag: "Ran", call, outputs: tensors, computeMs }, buffers)
    }
    case "Release": {
      const entry = instances.get(instance)
      instances.delete(instance)
      if (entry !== undefined) yield* Scope.close(entry.scope, Exit.void)
      return post(port, { _tag: "Released", call })
    }
    case "Stop": {
      for (const { scope } of instances.values()) yield* Scope.close(scope, Exit.void)
      return process.exit(0)
    }
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
    Effect.runFork(
      Effect.catchCause(
        handle(port, message),
        (cause) => Effect.sync(() => post(port, { _tag: "Failed", call: message.call, reason: reasonOf(cause) }))
      )
    )
  })
}
