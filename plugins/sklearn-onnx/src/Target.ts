/**
 * Which outputs of a scikit-learn model answer, and their values as a prediction.
 */
import type { ModelSignature, PredictedValue, Prediction, Tensor, TensorMap, TensorSpec } from "@sluice/plugin-sdk"
import * as Result from "effect/Result"
import type { SklearnOptions } from "./SklearnOptions.ts"

export type Target =
  | { readonly _tag: "Classification"; readonly label: TensorSpec; readonly probabilities: TensorSpec | undefined }
  | { readonly _tag: "Regression"; readonly value: TensorSpec }

/** The names that skl2onnx gives, and its users with it. */
const labelNames = ["label", "output_label"]
const probabilityNames = ["probabilities", "output_probability", "probability"]
const valueNames = ["variable", "prediction", "output"]

const isFloat = (spec: TensorSpec): boolean =>
  spec.datatype === "FP32" || spec.datatype === "FP64" || spec.datatype === "FP16"

const isSingle = (spec: TensorSpec): boolean =>
  spec.shape.length === 1 || (spec.shape.length === 2 && spec.shape[1] === 1)

const isClassLabel = (spec: TensorSpec): boolean => isSingle(spec) && !isFloat(spec)

const listed = (signature: Pick<ModelSignature, "outputs">): string =>
  signature.outputs.map((spec) => `"${spec.name}" ${spec.datatype} [${spec.shape.join(", ")}]`).join(", ")

const pick = (
  signature: Pick<ModelSignature, "outputs">,
  wanted: string | undefined,
  names: ReadonlyArray<string>,
  suits: (spec: TensorSpec) => boolean
): TensorSpec | undefined => {
  if (wanted !== undefined) return signature.outputs.find((spec) => spec.name === wanted)
  const suitable = signature.outputs.filter(suits)
  return suitable.find((spec) => names.includes(spec.name)) ?? suitable[0]
}

/** The target is the options', else classification where an output holds class labels, else regression. */
export const targetOf = (
  options: SklearnOptions,
  signature: Pick<ModelSignature, "outputs">
): Result.Result<Target, string> => {
  for (const name of [options.label_output, options.probabilities_output]) {
    if (name !== undefined && !signature.outputs.some((spec) => spec.name === name)) {
      return Result.fail(`the model has no output "${name}"; outputs: ${listed(signature)}`)
    }
  }
  const label = pick(signature, options.label_output, labelNames, isClassLabel)
  if (options.target !== "regression" && label !== undefined) {
    const probabilities = pick(
      signature,
      options.probabilities_output,
      probabilityNames,
      (spec) => isFloat(spec) && spec.shape.length === 2
    )
    return Result.succeed({ _tag: "Classification", label, probabilities })
  }
  if (options.target === "classification") {
    return Result.fail(`target classification needs an output of class labels; outputs: ${listed(signature)}`)
  }
  const value = pick(signature, undefined, valueNames, (spec) => isSingle(spec) && spec.datatype !== "BYTES")
  return value === undefined
    ? Result.fail(`found neither an output of class labels nor one of numbers; outputs: ${listed(signature)}`)
    : Result.succeed({ _tag: "Regression", value })
}

/** A float tensor's element, whatever its width. */
const numberAt = (tensor: Tensor, index: number): number => {
  const { data, datatype } = tensor
  if (datatype === "FP16" && data instanceof Uint16Array) return new Float16Array(data.buffer, data.byteOffset)[index]!
  return Number(data[index])
}

/** What a model's classes are called. */
export interface ClassNames {
  /** The classes as the label output has them, in the order of the probabilities; undefined if the file does not say. */
  readonly classes: ReadonlyArray<string | number> | undefined
  /** Names to show for them, in the same order. */
  readonly labels: ReadonlyArray<string> | undefined
}

const nameOf = ({ classes, labels }: ClassNames, index: number): string =>
  labels?.[index] ?? String(classes?.[index] ?? index)

const labelAt = (tensor: Tensor, { classes, labels }: ClassNames): PredictedValue => {
  const value = tensor.data[0]!
  const label = typeof value === "string" ? value : Number(value)
  // Without the file's word, whole numbers are taken for the classes' places
  const index = classes?.indexOf(label) ?? (typeof label === "number" ? label : -1)
  return labels?.[index] ?? (tensor.datatype === "BOOL" ? label !== 0 : label)
}

/** Scores that do not add up to 1, such as a support vector machine's distances, are not shown as probabilities. */
const isDistribution = (values: ReadonlyArray<number>): boolean =>
  values.every((value) => value >= -1e-6) && Math.abs(values.reduce((sum, value) => sum + value, 0) - 1) < 1e-3

/** Decodes one row of outputs. */
export const makeDecoder = (target: Target, names: ClassNames) => (outputs: TensorMap): Prediction => {
  if (target._tag === "Regression") return { prediction: numberAt(outputs[target.value.name]!, 0) }
  const prediction = labelAt(outputs[target.label.name]!, names)
  const scores = target.probabilities === undefined ? undefined : outputs[target.probabilities.name]
  if (scores === undefined || scores.data.length < 2) return { prediction }
  const values = Array.from({ length: scores.data.length }, (_, i) => numberAt(scores, i))
  return isDistribution(values)
    ? { prediction, probabilities: Object.fromEntries(values.map((value, i) => [nameOf(names, i), value])) }
    : { prediction }
}
