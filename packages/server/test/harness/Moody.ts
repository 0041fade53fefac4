/**
 * Models of the fixture plugin that does what its input says, beside one that always works.
 */
import * as Effect from "effect/Effect"
import { rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { call } from "./Http.ts"
import { sample, sampleIs } from "./Metrics.ts"
import { fixture, inRepository, type ServerOptions } from "./ServerProcess.ts"

/** What each mood is asked for by; the plugin has the same table. */
export const mood = {
  fine: 1,
  throws: -1,
  fails: -2,
  exits: -3,
  wrongShape: -4,
  notANumber: -5,
  throwsLater: -6,
  waits: -7,
  throwsInEncode: -8,
  throwsInDecode: -9,
  segfaults: -10,
  hangs: -11
} as const

const gateOf = (model: string) => join(tmpdir(), `sluice-gate-${process.pid}-${model}`)

/** What waits in that model answers from now on. */
export const openGate = (model: string) => Effect.sync(() => writeFileSync(gateOf(model), ""))

export const closeGate = (model: string) => Effect.sync(() => rmSync(gateOf(model), { force: true }))

/** A gate that is closed again with the scope. */
export const gate = (model: string) => Effect.acquireRelease(closeGate(model), () => closeGate(model))

const plugin = fixture("Moody.ts")

interface MoodyModel {
  readonly load?: "throws" | "fails" | "waits"
  readonly queueCapacity?: number
  readonly isolation?: "thread" | "process"
  readonly runTimeout?: string
  /** Further fields of the model, a line of YAML each. */
  readonly fields?: ReadonlyArray<string>
}

const entry = (
  model: string,
  { fields = [], isolation = "thread", load, queueCapacity = 1024, runTimeout = "30s" }: MoodyModel
) => `
  ${model}:
    default_version: v1${fields.map((line) => `\n    ${line}`).join("")}
    versions:
      v1:
        path: ${plugin}
        plugin: moody
        options: { gate: ${gateOf(model)}${load === undefined ? "" : `, load: ${load}`} }
        isolation: ${isolation}
        inline: off
        run_timeout: ${runTimeout}
        batching: { queue_capacity: ${queueCapacity}, max_batch_size: 16 }
`

/** A server of these moody models and of iris. */
export const moodyServer = (
  models: Readonly<Record<string, MoodyModel>>,
  env: Readonly<Record<string, string>> = {}
): ServerOptions => ({
  env: { SLUICE_PLUGINS: `@sluice/plugin-sklearn-onnx,${plugin}`, BREAKER_FAILURES: "100", ...env },
  registry: `
models:
  iris:
    default_version: v1
    versions:
      v1: { path: ${inRepository("config/models/iris/model.onnx")} }
${Object.entries(models).map(([name, model]) => entry(name, model)).join("")}`
})

/** Asks a moody model, past the cache. */
export const ask = (model: string, ...values: ReadonlyArray<number>) =>
  call({
    path: "/api/v1/predict",
    body: { model, features: values.map((value) => [value]), use_cache: false }
  })

/** Occupies a model's only instance until its gate opens: from now on whoever asks it waits. */
export const occupy = Effect.fnUntraced(function*(model: string) {
  yield* gate(model)
  const batches = yield* sample("sluice_batch_size_count", model)
  const fiber = yield* Effect.forkChild(ask(model, mood.waits))
  yield* sampleIs("sluice_batch_size_count", model, (batches ?? NaN) + 1)
  return fiber
})
