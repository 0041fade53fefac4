/**
 * Answers and inputs as short texts, for an operator who looks at examples of disagreement.
 */
import type { Item } from "@sluice/domain/Item"
import type { ComparedOutput } from "./OutputComparison.ts"

const maxLength = 200
/** Of a vector or a tensor: as many as fit, and no more are printed. */
const maxValues = 12

const bounded = (text: string): string =>
  // Cutting may part a surrogate pair, and a store takes well-formed text only.
  (text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`).toWellFormed()

const valueText = (value: unknown): string =>
  typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(4))) : String(value)

const listText = (values: ArrayLike<unknown>): string => {
  const shown = Array.from({ length: Math.min(values.length, maxValues) }, (_, i) => valueText(values[i]))
  return `[${shown.join(", ")}${values.length > maxValues ? `, … of ${values.length}` : ""}]`
}

/** What a version answered, in at most 200 characters. */
export const answerText = ({ outputs, prediction }: ComparedOutput): string => {
  if (prediction?.embedding !== undefined) return bounded(listText(prediction.embedding))
  if (prediction?.prediction !== undefined) {
    const probability = prediction.probabilities?.[String(prediction.prediction)]
    const value = valueText(prediction.prediction)
    return bounded(probability === undefined ? value : `${value} (${valueText(probability)})`)
  }
  const tensors = Object.entries(outputs).slice(0, maxValues)
  return bounded(
    tensors.map(([name, { data, datatype }]) =>
      `${name}: ${
        listText(
          datatype === "FP16" && ArrayBuffer.isView(data)
            ? new Float16Array(data.buffer, data.byteOffset, data.length)
            : data
        )
      }`
    ).join(", ")
  )
}

/** What was asked, in at most 200 characters. */
export const inputText = (item: Item): string => {
  switch (item._tag) {
    case "Text":
      return bounded(item.text)
    case "Tokens":
      return bounded(listText(item.ids))
    case "Features":
      return bounded(listText(item.values))
    case "Record":
      return bounded(
        Object.entries(item.fields).slice(0, maxValues).map(([name, value]) => `${name}: ${valueText(value)}`).join(
          ", "
        )
      )
  }
}
