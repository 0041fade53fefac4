import { describe, it } from "@effect/vitest"
import * as TestClock from "effect/testing/TestClock"
import { layerMemory } from "../../src/limits/RateLimitStoreMemory.ts"
import { rateLimitStoreConformance } from "./RateLimitStoreConformance.ts"

describe("RateLimitStoreMemory", () => {
  rateLimitStoreConformance({ layer: layerMemory, run: it.effect, passTime: TestClock.adjust })
})
