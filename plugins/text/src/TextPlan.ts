/**
 * Which task a text model is served for, and which of its outputs answers it.
 */
import type { ModelSignature, TensorSpec } from "@sluice/plugin-sdk"
import * as Result from "effect/Result"
import type { TextOptions, TextTask } from "./TextOptions.ts"

export interface TextPlan {
  readonly task: TextTask
  readonly output: TensorSpec
  /** The output has a vector a token, [batch, tokens, n]: their mean is the text's. */
  readonly pooled: boolean
}

const embeddingNames = ["sentence_embedding", "embeddings", "embedding", "pooler_output", "text_embeds"]
const tokenNames = ["last_hidden_state", "token_embeddings", "hidden_states"]

const isFloat = (spec: TensorSpec): boolean =>
  spec.datatype === "FP32" || spec.datatype === "FP16" || spec.datatype === "FP64"

const isRow = (spec: TensorSpec): boolean => isFloat(spec) && spec.shape.length === 2
const isTokenwise = (spec: TensorSpec): boolean => isFloat(spec) && spec.shape.length === 3

const isClasses = (labels: ReadonlyArray<string> | undefined) => (spec: TensorSpec): boolean =>
  isRow(spec) && !embeddingNames.includes(spec.name) &&
  (/logit|prob|score/i.test(spec.name) || (labels !== undefined && spec.shape[1] === labels.length))

/** The output of the first name that is there, else the first. */
const preferred = (specs: ReadonlyArray<TensorSpec>, names: ReadonlyArray<string>): TensorSpec | undefined => {
  for (const name of names) {
    const spec = specs.find((candidate) => candidate.name === name)
    if (spec !== undefined) return spec
  }
  return specs[0]
}

const listed = (signature: ModelSignature): string =>
  signature.outputs.map((spec) => `"${spec.name}" ${spec.datatype} [${spec.shape.join(", ")}]`).join(", ")

const embedding = (signature: ModelSignature, output: string | undefined): Result.Result<TextPlan, string> => {
  const specs = output === undefined
    ? signature.outputs.filter((spec) => !isClasses(undefined)(spec))
    : signature.outputs.filter((spec) => spec.name === output)
  const row = preferred(specs.filter(isRow), embeddingNames)
  const tokenwise = preferred(specs.filter(isTokenwise), tokenNames)
  const chosen = row ?? tokenwise
  return chosen === undefined
    ? Result.fail(
      `task text-embedding needs a float output [batch, n] or [batch, tokens, n]; outputs: ${listed(signature)}`
    )
    : Result.succeed({ task: "text-embedding", output: chosen, pooled: row === undefined })
}

const classification = (
  signature: ModelSignature,
  output: string | undefined,
  labels: ReadonlyArray<string> | undefined
): Result.Result<TextPlan, string> => {
  const rows = signature.outputs.filter(isRow)
  const chosen = output === undefined
    ? rows.find(isClasses(labels)) ?? (rows.length === 1 ? rows[0] : undefined)
    : rows.find((spec) => spec.name === output)
  if (chosen === undefined) {
    return Result.fail(`task text-classification needs a float output [batch, classes]; outputs: ${listed(signature)}`)
  }
  const classes = chosen.shape[1]!
  return labels !== undefined && classes !== -1 && classes !== labels.length
    ? Result.fail(`output "${chosen.name}" has ${classes} classes, but there are ${labels.length} labels`)
    : Result.succeed({ task: "text-classification", output: chosen, pooled: false })
}

/**
 * The task is the options', else classification where an output looks like class scores, else embedding. Gives the same
 * answer for a signature cut down to the output it chose.
 */
export const planText = (
  options: TextOptions,
  signature: ModelSignature,
  labels: ReadonlyArray<string> | undefined
): Result.Result<TextPlan, string> => {
  const { output } = options
  if (output !== undefined && !signature.outputs.some((spec) => spec.name === output)) {
    return Result.fail(`the model has no output "${output}"; outputs: ${listed(signature)}`)
  }
  const candidates = output === undefined ? signature.outputs : signature.outputs.filter((spec) => spec.name === output)
  const task = options.task ?? (candidates.some(isClasses(labels)) ? "text-classification" : "text-embedding")
  return task === "text-classification"
    ? classification(signature, output, labels)
    : embedding(signature, output)
}
