/**
 * Registries of the scripted plugin, for tests of what becomes of those that are served.
 */
import { it } from "@effect/vitest"
import { Inference } from "@sluice/core/Inference"
import type { InferRequest } from "@sluice/core/InferRequest"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import type { CacheLimits } from "@sluice/core/registry/VersionEviction"
import type { Rollouts } from "@sluice/core/rollout/Rollouts"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import { cells, sharedCells } from "../fixtures/ScriptedPlugin.ts"
import { engineLayer, registryWith, scripted, turn } from "../LocalEngine.ts"

type Needs = ModelRegistry | Inference | Rollouts

export const test = (
  name: string,
  models: object,
  body: (memory: Int32Array) => Generator<Effect.Effect<unknown, unknown, Needs>, void, never>,
  limits?: CacheLimits
) =>
  it.live(name, () => {
    const memory = sharedCells()
    return Effect.gen(() => body(memory)).pipe(
      Effect.provide(engineLayer(registryWith(models, memory), limits)),
      Effect.provide(Logger.layer([]))
    )
  })

export const openGate = (memory: Int32Array) => {
  Atomics.store(memory, cells.gate, 1)
  Atomics.notify(memory, cells.gate)
}

export const ask = (
  model: string,
  version?: string,
  options: Partial<InferRequest> & { readonly value?: number } = {}
) =>
  Effect.gen(function*() {
    const { value = 1, ...request } = options
    const { items, version: by } = yield* (yield* Inference).infer({
      model,
      version,
      routingKey: "caller",
      input: { _tag: "Items", items: [{ _tag: "Features", values: [value] }] },
      cache: "bypass",
      priority: "normal",
      timeoutMs: undefined,
      ...request
    })
    const [item] = items
    const answer = Number(Result.getOrThrow(item!).outputs["y"]?.data[0])
    return [by, answer] as const
  })

export const apply = Effect.fnUntraced(function*(models: object, memory: Int32Array) {
  return yield* (yield* ModelRegistry).apply(registryWith(models, memory))
})

export const settled = Effect.flatMap(ModelRegistry, (registry) => registry.settled)

export const states = Effect.flatMap(
  ModelRegistry,
  (registry) => Effect.map(registry.list, (list) => list.map(({ model_id, state }) => `${model_id} ${state}`))
)

export const until = Effect.fnUntraced(function*(isSo: () => boolean) {
  while (!isSo()) yield* turn
})

export const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

export const v = (factor: number, more: object = {}) => ({ ...scripted, options: { factor, ...more } })
export const model = (default_version: string, versions: object, more: object = {}) => ({
  default_version,
  versions,
  ...more
})
