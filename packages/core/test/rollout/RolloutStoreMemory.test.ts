import { describe, it } from "@effect/vitest"
import { layerMemory } from "@sluice/core/rollout/RolloutStoreMemory"
import * as Layer from "effect/Layer"
import { rolloutStoreConformance } from "./RolloutStoreConformance.ts"

describe("RolloutStoreMemory", () => {
  rolloutStoreConformance({ layer: Layer.fresh(layerMemory), run: it.effect })
})
