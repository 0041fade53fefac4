/**
 * Expected token ids and outputs of MiniLM, and where its larger files lie on machines that have them.
 */
import type { PluginContext } from "@sluice/plugin-sdk"
import { fileContext } from "@sluice/plugin-sdk/ConformanceSubject"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

interface Ids {
  readonly input_ids: ReadonlyArray<number>
}

export interface TokenizerCase {
  readonly name: string
  readonly text: string
  readonly tokenCount: number
  readonly max128: Ids
  readonly max512: Ids
}

/** One way of batching all texts, in order: `batchSize` at a time, padded to the longest. */
export interface GoldenRun {
  readonly maxLength: number
  readonly batchSize: number
  readonly label: ReadonlyArray<number>
  readonly logits: ReadonlyArray<ReadonlyArray<number>>
  readonly sentence_embedding: ReadonlyArray<ReadonlyArray<number>>
}

export interface MiniLmGolden {
  readonly labels: ReadonlyArray<string>
  readonly inputs: ReadonlyArray<{ readonly name: string; readonly text: string }>
  readonly runs: ReadonlyArray<GoldenRun>
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export const shippedModel = here("../../../config/models/sentiment_v2/model.onnx")

export const tokenizerCases: ReadonlyArray<TokenizerCase> =
  JSON.parse(readFileSync(here("./golden/minilm.tokenizer.json"), "utf8")).cases

export const readGolden = (path: string): MiniLmGolden => JSON.parse(readFileSync(path, "utf8"))

export const int8Golden = (): MiniLmGolden => readGolden(here("./golden/minilm.int8.json"))

/** The folder with the models that are too big to ship: SLUICE_SHARED_MODELS, or beside the repository. */
export const sharedModels = process.env["SLUICE_SHARED_MODELS"] ?? here("../../../../shared/models")

export const hasSharedModels = existsSync(join(sharedModels, "golden"))

export const fp32Model = join(sharedModels, "minilm/model.onnx")

/** Made from the fp32 file by the shared folder's `build/minilm_fp16.py`. */
export const fp16Model = process.env["SLUICE_MINILM_FP16"] ?? join(sharedModels, "minilm/model_fp16.onnx")

/** Another file of MiniLM with the tokenizer that ships. */
export const contextOf = (path: string): PluginContext => {
  const { beside } = fileContext(shippedModel).files
  return { ...fileContext(path), files: { path, beside } }
}
