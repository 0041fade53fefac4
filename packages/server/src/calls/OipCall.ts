/**
 * The infer call of the Open Inference Protocol V2: its body and its answer's text, written by hand because 64-bit
 * integers have no number in `JSON.stringify`. Pure.
 */
import type { OipInferRequest } from "@sluice/api/OipApi"
import type { InferResult } from "@sluice/core/InferRequest"
import { MalformedRequest, ModelFailed, type SluiceError } from "@sluice/domain/Errors"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import { Priority } from "@sluice/domain/PredictRequest"
import type { Tensor, TensorMap } from "@sluice/domain/Tensor"
import { stackRows } from "@sluice/plugin-sdk/TensorRows"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { cachePolicy } from "./CachePolicy.ts"
import type { CallContext } from "./CallContext.ts"
import { elementsText, tensorHead, tensorOf } from "./OipTensors.ts"
import { pieceLength, type SurfaceCall, type TextWriter } from "./SurfaceCall.ts"

const isPriority = Schema.is(Priority)

const inputsOf = ({ inputs }: OipInferRequest): Result.Result<TensorMap, MalformedRequest> => {
  if (inputs.length === 1) {
    const tensor = tensorOf(inputs[0])
    return Result.isFailure(tensor) ? Result.fail(tensor.failure) : Result.succeed({ [inputs[0].name]: tensor.success })
  }
  const tensors = new Map<string, Tensor>()
  for (const input of inputs) {
    if (tensors.has(input.name)) {
      return Result.fail(new MalformedRequest({ field: `inputs.${input.name}`, detail: "given twice" }))
    }
    const tensor = tensorOf(input)
    if (Result.isFailure(tensor)) return Result.fail(tensor.failure)
    tensors.set(input.name, tensor.success)
  }
  return Result.succeed(Object.fromEntries(tensors))
}

/** The outputs asked for, or all of the signature, in its order. */
const outputNames = (
  request: OipInferRequest,
  signature: ModelSignature
): Result.Result<ReadonlyArray<string>, MalformedRequest> => {
  const known = signature.outputs.map((output) => output.name)
  if (request.outputs === undefined) return Result.succeed(known)
  const wanted = request.outputs.map((output) => output.name)
  const unknown = wanted.find((name) => !known.includes(name))
  return unknown === undefined
    ? Result.succeed(wanted)
    : Result.fail(
      new MalformedRequest({
        field: "outputs",
        detail: `the model has no output "${unknown}"; it has ${known.join(", ")}`
      })
    )
}

/** Whether rows stand one after another as they are, with nothing to fill up between them. */
const areAlike = (rows: ReadonlyArray<TensorMap>, name: string): boolean => {
  const [, ...inner] = rows[0]![name]!.shape
  return rows.every((row) => inner.every((size, i) => row[name]!.shape[i + 1] === size))
}

const stackedShape = (rows: ReadonlyArray<TensorMap>, name: string): ReadonlyArray<number> => {
  const { shape } = rows[0]![name]!
  if (rows.length === 1) return shape
  return [rows.reduce((batch, row) => batch + row[name]!.shape[0]!, 0), ...shape.slice(1)]
}

/** Elements that are written at a time. */
const elementsAtOnce = 1024

function* inferText(request: OipInferRequest, result: InferResult): TextWriter {
  let rows: Array<TensorMap> = []
  for (const item of result.items) {
    if (Result.isFailure(item)) return Result.fail(item.failure)
    rows.push(item.success.outputs)
  }
  const names = outputNames(request, result.signature)
  if (Result.isFailure(names)) return Result.fail(names.failure)
  if (rows.length > 1 && !names.success.every((name) => areAlike(rows, name))) rows = [stackRows(rows)]
  let json = `{"model_name":${JSON.stringify(result.model)},"model_version":${JSON.stringify(result.version)},`
  if (request.id !== undefined) json += `"id":${JSON.stringify(request.id)},`
  if (result.degraded !== undefined) json += `"parameters":{"degraded":"${result.degraded.kind}"},`
  json += `"outputs":[`
  let comma = ""
  for (const name of names.success) {
    json += comma + tensorHead(name, rows[0]![name]!.datatype, stackedShape(rows, name))
    comma = ""
    for (const row of rows) {
      const tensor = row[name]!
      const { length } = tensor.data
      for (let from = 0; from < length; from += elementsAtOnce) {
        const text = elementsText(tensor, from, Math.min(from + elementsAtOnce, length))
        if (text === undefined) return Result.fail(new ModelFailed({ model: result.model, version: result.version }))
        json += comma + text
        comma = ","
        if (json.length >= pieceLength) {
          yield json
          json = ""
        }
      }
    }
    json += "]}"
    comma = ","
  }
  return Result.succeed(`${json}]}`)
}

const longestTimeoutMs = 3_600_000

const refuse = (name: string, expected: string) =>
  Result.fail(new MalformedRequest({ field: `parameters.${name}`, detail: `expected ${expected}` }))

/** Triton gives the timeout in microseconds; 0 is the model's default. */
const timeoutOf = (micros: unknown): Result.Result<number | undefined, MalformedRequest> => {
  if (micros === undefined || micros === 0) return Result.succeed(undefined)
  return typeof micros === "number" && micros > 0
    ? Result.succeed(Math.min(longestTimeoutMs, Math.ceil(micros / 1000)))
    : refuse("timeout", "microseconds, or 0 for the model's default")
}

/** Triton's levels: 0 is the model's default, 1 the highest, and the larger the number the lower. Ours have names too. */
const priorityOf = (level: unknown): Result.Result<Priority, MalformedRequest> => {
  if (level === undefined || level === 0 || level === 2) return Result.succeed("normal")
  if (level === 1) return Result.succeed("high")
  if (isPriority(level)) return Result.succeed(level)
  return typeof level === "number" && Number.isInteger(level) && level > 2
    ? Result.succeed("low")
    : refuse("priority", "0 (the default), 1 (high), 2 (normal), a greater whole number (low), or one of these names")
}

const consistentOf = (value: unknown): Result.Result<boolean, MalformedRequest> =>
  value === undefined || typeof value === "boolean"
    ? Result.succeed(value === true)
    : refuse("consistent", "true or false")

/** The call of a body to the model and version that the path names. */
export const oipCall =
  (model: string, version: string | undefined) =>
  (body: OipInferRequest, context: CallContext): Result.Result<SurfaceCall, SluiceError> => {
    const { parameters } = body
    const priority = priorityOf(parameters?.["priority"])
    if (Result.isFailure(priority)) return Result.fail(priority.failure)
    const consistent = consistentOf(parameters?.["consistent"])
    if (Result.isFailure(consistent)) return Result.fail(consistent.failure)
    const timeoutMs = timeoutOf(parameters?.["timeout"])
    if (Result.isFailure(timeoutMs)) return Result.fail(timeoutMs.failure)
    const tensors = inputsOf(body)
    if (Result.isFailure(tensors)) return Result.fail(tensors.failure)
    return Result.succeed({
      request: {
        model,
        version,
        routingKey: context.routingKey,
        input: { _tag: "Tensors", tensors: tensors.success },
        ...cachePolicy(undefined, context.cacheControl),
        priority: priority.success,
        timeoutMs: timeoutMs.success ?? context.timeoutMs,
        consistent: consistent.success
      },
      write: (result) => inferText(body, result)
    })
  }
