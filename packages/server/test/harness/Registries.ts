/**
 * Registries for servers that start fast: small models only.
 */
import { inRepository } from "./ServerProcess.ts"

/** A text classifier (the default), a tabular model, and embeddings by a model of a few bytes. */
export const leanRegistry = `
default_model: sentiment
models:
  sentiment:
    default_version: v1
    versions:
      v1: { path: ${inRepository("config/models/sentiment_v1/model.onnx")} }
  iris:
    default_version: v1
    versions:
      v1: { path: ${inRepository("config/models/iris/model.onnx")}, description: Three kinds of iris }
  embeddings:
    default_version: v1
    versions:
      v1: { path: ${inRepository("plugins/text/test/fixtures/tokenwise.onnx")} }
`
