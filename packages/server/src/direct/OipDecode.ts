/**
 * Decodes the usual infer request of the Open Inference Protocol without its schema: a tenth of the time.
 */
import type { OipInferRequest, OipInput } from "@sluice/api/OipApi"
import { Datatype } from "@sluice/domain/Tensor"
import { isListOf, isNatural, isObject, isOptionalString, isRecordOf } from "./DecodeParts.ts"

type Parameters = NonNullable<OipInferRequest["parameters"]>
type Output = NonNullable<OipInferRequest["outputs"]>[number]

const datatypes: ReadonlySet<unknown> = new Set(Datatype.literals)

const isDatatype = (value: unknown): value is Datatype => datatypes.has(value)

const isParameter = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))

const isParameters = (value: unknown): value is Parameters => isRecordOf(value, isParameter)

const isName = (value: unknown): value is string => typeof value === "string" && value !== ""

/** As the schema has it. */
const maxRank = 32

const isShape = (value: unknown): value is ReadonlyArray<number> =>
  isListOf(value, isNatural) && value.length <= maxRank

const decodeInput = (input: unknown): OipInput | undefined => {
  if (!isObject(input)) return undefined
  const { data, datatype, name, parameters, shape } = input
  if (!isName(name) || !isShape(shape) || !isDatatype(datatype) || !Array.isArray(data)) return undefined
  if (parameters === undefined) return { name, shape, datatype, data }
  return isParameters(parameters) ? { name, shape, datatype, parameters, data } : undefined
}

const decodeOutputs = (outputs: unknown): ReadonlyArray<Output> | undefined => {
  if (!Array.isArray(outputs)) return undefined
  const decoded: Array<Output> = []
  for (const output of outputs) {
    if (!isObject(output)) return undefined
    const { name, parameters } = output
    if (!isName(name) || parameters !== undefined) return undefined
    decoded.push({ name })
  }
  return decoded
}

/** The request, or undefined where the schema must say. */
export const decodeInfer = (body: unknown): OipInferRequest | undefined => {
  if (!isObject(body)) return undefined
  const { id, inputs, outputs, parameters } = body
  if (!isOptionalString(id) || !Array.isArray(inputs)) return undefined
  const first = decodeInput(inputs[0])
  if (first === undefined) return undefined
  const decodedInputs: [OipInput, ...Array<OipInput>] = [first]
  for (let i = 1; i < inputs.length; i++) {
    const input = decodeInput(inputs[i])
    if (input === undefined) return undefined
    decodedInputs.push(input)
  }
  if (id === undefined && outputs === undefined && parameters === undefined) return { inputs: decodedInputs }
  const decodedOutputs = outputs === undefined ? undefined : decodeOutputs(outputs)
  if (outputs !== undefined && decodedOutputs === undefined) return undefined
  if (parameters !== undefined && !isParameters(parameters)) return undefined
  return {
    inputs: decodedInputs,
    ...(id === undefined ? undefined : { id }),
    ...(parameters === undefined ? undefined : { parameters }),
    ...(decodedOutputs === undefined ? undefined : { outputs: decodedOutputs })
  }
}
