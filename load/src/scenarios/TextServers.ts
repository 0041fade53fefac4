/**
 * What the scenarios with texts have in common: the embedding models, and the traffic that asks for embeddings.
 */
import { type Traffic, uncached } from "../generators/Traffic.ts"
import { textBody } from "../Inputs.ts"
import { fp32Embeddings, int8Embeddings, type VersionYaml } from "../processes/Registry.ts"
import type { Running } from "../processes/Server.ts"
import { Skipped } from "../report/Outcome.ts"

export const predictPath = "/api/v1/predict"

export const textTraffic = ({ url }: Running, texts: ReadonlyArray<string>): Traffic => ({
  url: `${url}${predictPath}`,
  requests: texts.map((text) => ({ body: textBody(text) })),
  headers: uncached
})

/** The fp32 model where this machine has it, else the int8 one that ships. */
export const embeddingsHere = (): VersionYaml => {
  try {
    return fp32Embeddings()
  } catch (error) {
    if (error instanceof Skipped) return int8Embeddings()
    throw error
  }
}

/** For a model of which each run computes one item: what batching is compared with. */
export const unbatched = (version: VersionYaml): VersionYaml => ({ ...version, batching: { max_batch_size: 1 } })
