/**
 * A process of its own that opens the engine, has one request answered, and closes it, CYCLES times. After each it prints
 * its resident memory, and that of what it started, in MiB. There is no call yet that unloads a model of a server, so the
 * whole engine is opened and closed.
 */
import { SpareWorkers } from "@sluice/core/execution/SpareWorkers"
import { Inference } from "@sluice/core/Inference"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { readRegistry } from "@sluice/core/registry/RegistryFile"
import * as Logging from "@sluice/core/telemetry/Logging"
import { loadSettings } from "@sluice/server/config/LoadSettings"
import { engineLayer } from "@sluice/server/Engine"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { residentMiB } from "./ProcessTree.ts"

const cycles = Number(process.env["CYCLES"])
const cores = 2

const answer = Effect.gen(function*() {
  const registry = yield* ModelRegistry
  yield* registry.settled
  const inference = yield* Inference
  const { items } = yield* inference.infer({
    model: undefined,
    version: undefined,
    routingKey: "",
    input: { _tag: "Items", items: [{ _tag: "Text", text: "It is loaded, and answers." }] },
    cache: "bypass",
    priority: "normal",
    timeoutMs: undefined
  })
  for (const item of items) yield* Effect.fromResult(Result.map(item, ({ outputs }) => outputs))
})

const cycle = Effect.gen(function*() {
  const { settings } = yield* loadSettings({ env: process.env })
  const registry = yield* readRegistry(settings.models.registry)
  const { level, format } = { level: settings.telemetry.logLevel, format: settings.telemetry.logFormat }
  const engine = engineLayer(settings, registry, cores, new SpareWorkers(0)).pipe(
    Layer.provide(Logging.layer({ level, format }))
  )
  yield* Effect.provide(answer, engine)
})

for (let i = 0; i < cycles; i++) {
  await Effect.runPromise(cycle)
  globalThis.gc?.()
  process.stdout.write(`${residentMiB(process.pid)}\n`)
}
