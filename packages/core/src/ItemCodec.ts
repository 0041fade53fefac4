/**
 * Between a request's items and rows of tensors, by the version's codec. Plain and synchronous; what a codec throws is the
 * model's failure on that item.
 */
import { type InferenceError, InvalidInput, MalformedRequest, ModelFailed } from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import type { Item } from "@sluice/domain/Item"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { Prediction } from "@sluice/domain/Prediction"
import type { Tensor, TensorMap } from "@sluice/domain/Tensor"
import * as Result from "effect/Result"
import type { BatchRow } from "./batching/Submission.ts"
import { checkOutputs } from "./execution/OutputCheck.ts"
import type { InferInput, InferredItem } from "./InferRequest.ts"
import type { ItemOutput } from "./ItemOutput.ts"
import type { ServedVersion } from "./registry/ServedVersion.ts"
import { tensorRows } from "./registry/TensorInput.ts"

/** One item as it came: a natural one, or a row of tensors. */
export type Unit = Item | TensorMap

/** A text model's own input form over tensors: one BYTES tensor "text" of shape [n] or [n, 1]. */
const textSignature = ({ shape }: Tensor): ModelSignature => ({
  inputs: [{ name: "text", datatype: "BYTES", shape: shape.length === 2 ? [-1, 1] : [-1] }],
  outputs: [],
  batchable: true
})

/** The request's items: natural ones as they are, tensors cut into rows. */
export const unitsOf = (
  { codec, signature }: ServedVersion,
  input: InferInput
): Result.Result<ReadonlyArray<Unit>, MalformedRequest> => {
  if (input._tag === "Items") {
    return input.items.length > 0
      ? Result.succeed(input.items)
      : Result.fail(new MalformedRequest({ detail: "no items; send at least one" }))
  }
  const text = input.tensors["text"]
  if (text === undefined || Object.keys(input.tensors).length > 1 || !codec.accepts.includes("Text")) {
    return tensorRows(signature, input.tensors)
  }
  return Result.map(
    tensorRows(textSignature(text), { text }),
    (rows) => rows.map((row): Item => ({ _tag: "Text", text: String(row["text"]?.data[0]) }))
  )
}

const isItem = (unit: Unit): unit is Item => typeof unit["_tag"] === "string"

const fromCodec = <A, E>(
  { plan }: ServedVersion,
  use: () => Result.Result<A, E>
): Result.Result<A, E | ModelFailed> => {
  try {
    return use()
  } catch (cause) {
    const { model, version } = plan.entry
    plan.context.log("error", `the codec of ${modelId(model, version)} threw: ${String(cause)}`)
    return Result.fail(new ModelFailed({ model, version }))
  }
}

export const encodeUnit = (version: ServedVersion, unit: Unit): Result.Result<BatchRow, InvalidInput | ModelFailed> =>
  fromCodec(version, () => {
    const inputs = isItem(unit) ? version.codec.encode(unit) : Result.succeed(unit)
    return Result.isFailure(inputs)
      ? Result.fail(new InvalidInput({ detail: inputs.failure.detail }))
      : Result.succeed({ inputs: inputs.success, cost: version.codec.cost?.(inputs.success) ?? 1 })
  })

/**
 * What a cache holds of a version's answers, decoded as it is looked up. What does not fit the signature, or cannot be
 * decoded, is no answer of the version's, whoever put it there.
 */
export class StoredAnswers {
  readonly #version: ServedVersion
  readonly #natural: boolean
  readonly #predictions = new Map<ItemOutput, Prediction>()

  constructor(version: ServedVersion, natural: boolean) {
    this.#version = version
    this.#natural = natural
  }

  readonly accepts = (output: ItemOutput): boolean => {
    if (!(output.cost >= 0) || checkOutputs(this.#version.signature, output.outputs, 1) !== undefined) return false
    if (!this.#natural) return true
    const decoded = fromCodec(this.#version, () => Result.succeed(this.#version.codec.decode(output.outputs)))
    if (Result.isSuccess(decoded)) this.#predictions.set(output, decoded.success)
    return Result.isSuccess(decoded)
  }

  /** What an accepted output was decoded to. */
  prediction(output: ItemOutput): Prediction | undefined {
    return this.#predictions.get(output)
  }
}

/** An item's answer: in its task's natural form, if it was asked in one. */
export const decodeItem = (
  version: ServedVersion,
  output: ItemOutput,
  natural: boolean,
  cached: boolean,
  latencyMs: number,
  stored?: StoredAnswers
): Result.Result<InferredItem, ModelFailed> =>
  fromCodec(version, () => {
    const { cost, outputs } = output
    const prediction = natural ? stored?.prediction(output) ?? version.codec.decode(outputs) : undefined
    return Result.succeed({ outputs, cost, prediction, cached, latencyMs })
  })

/** Equal items are encoded once, so each is told its own place last. */
export const inPlace = <E extends InferenceError>(error: E, item: number): E | InvalidInput =>
  error._tag === "InvalidInput" ? new InvalidInput({ item, detail: error.detail }) : error
