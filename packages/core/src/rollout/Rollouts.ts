import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ModelEntry } from "../registry/RegistryEntry.ts"
import type { Routing } from "./Assignment.ts"
export class Rollouts extends Context.Service<Rollouts, {
  readonly configure: (models: ReadonlyArray<ModelEntry>) => Effect.Effect<void>
  readonly routing: (model: string) => Routing | undefined
}>()("sluice/core/Rollouts") {
  static readonly layerNone = Layer.succeed(Rollouts, { configure: () => Effect.void, routing: () => undefined })
}
