/**
 * The registries that scenarios serve: written to a file of their own, with absolute paths.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Skipped } from "../report/Outcome.ts"

/** A version as the registry file has it. */
export interface VersionYaml {
  readonly path: string
  readonly [field: string]: unknown
}

const shipped = fileURLToPath(new URL("../../../config/models/", import.meta.url))
const plugins = fileURLToPath(new URL("../../plugins/", import.meta.url))

export const plugin = (name: string): string => join(plugins, `${name}.ts`)

/** A file of the models that do not ship. Throws `Skipped` where this machine has none. */
export const sharedFile = (name: string): string => {
  const folder = process.env["SLUICE_SHARED_MODELS"]
  const file = folder === undefined ? undefined : join(folder, name)
  if (file !== undefined && existsSync(file)) return file
  throw new Skipped(`needs ${name} in the folder that SLUICE_SHARED_MODELS names`)
}

/** Longer than any text of the corpora, so that nothing is cut. */
export const maxTokens = 512

const embedding = { plugin: "text", options: { task: "text-embedding", max_tokens: maxTokens } }

export const int8Embeddings = (): VersionYaml => ({
  path: join(shipped, "sentiment_v2/model.onnx"),
  precision: "int8",
  ...embedding
})

export const fp32Embeddings = (): VersionYaml => ({
  path: sharedFile("minilm/model.onnx"),
  precision: "fp32",
  ...embedding
})

export const breastCancer = (): VersionYaml => ({
  path: join(shipped, "breast-cancer/model.onnx"),
  plugin: "sklearn-onnx"
})

/** The text of a registry file; YAML reads JSON. */
export const registryText = (versions: Readonly<Record<string, VersionYaml>>): string =>
  JSON.stringify({
    models: Object.fromEntries(
      Object.entries(versions).map(([name, version]) => [name, { default_version: "v1", versions: { v1: version } }])
    )
  })
