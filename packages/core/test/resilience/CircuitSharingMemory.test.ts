import { it } from "@effect/vitest"
import { layerMemory } from "@sluice/core/resilience/CircuitSharingMemory"
import * as TestClock from "effect/testing/TestClock"
import { circuitSharingConformance } from "./CircuitSharingConformance.ts"

circuitSharingConformance("CircuitSharingMemory", { layer: layerMemory, run: it.effect, pass: TestClock.adjust })
