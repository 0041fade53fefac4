/**
 * All scenarios, in the order of `all`.
 */
import type { Scenario } from "../Scenario.ts"
import { batchInvariance } from "./BatchInvariance.ts"
import { cachedEmbeddings } from "./CachedEmbeddings.ts"
import { coldModel } from "./ColdModel.ts"
import { embeddingsFp32, embeddingsInt8 } from "./Embeddings.ts"
import { fixedCost } from "./FixedCost.ts"
import { heavyNeighbour } from "./HeavyNeighbour.ts"
import { killedInstances } from "./KilledInstances.ts"
import { loadRelease } from "./LoadRelease.ts"
import { mixedLengthTexts } from "./MixedLengths.ts"
import { oneCaller } from "./OneCaller.ts"
import { openCircuit } from "./OpenCircuit.ts"
import { overloaded } from "./Overload.ts"
import { poisonedItems } from "./PoisonedItems.ts"
import { rateLimits } from "./RateLimits.ts"
import { redisFaults } from "./RedisFaults.ts"
import { reload } from "./Reload.ts"
import { rolloutVerdicts } from "./RolloutVerdicts.ts"
import { shadow } from "./Shadow.ts"
import { tabular } from "./Tabular.ts"
import { tabularHalf, tabularRates } from "./TabularOpenLoop.ts"
import { batchWindow } from "./Window.ts"

export const scenarios: ReadonlyArray<Scenario> = [
  embeddingsFp32,
  embeddingsInt8,
  mixedLengthTexts,
  fixedCost,
  oneCaller,
  tabular,
  tabularRates,
  tabularHalf,
  overloaded,
  heavyNeighbour,
  poisonedItems,
  killedInstances,
  openCircuit,
  loadRelease,
  reload,
  rateLimits,
  shadow,
  rolloutVerdicts,
  coldModel,
  cachedEmbeddings,
  redisFaults,
  batchWindow,
  batchInvariance
]
