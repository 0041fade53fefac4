/**
 * Handlers of the Open Inference Protocol V2.
 */
import { OipInferRequest } from "@sluice/api/OipApi"
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { version as serverVersion } from "@sluice/api/Version"
import { Inference } from "@sluice/core/Inference"
import type { InferResult } from "@sluice/core/InferRequest"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { MalformedRequest, ModelFailed, type SluiceError } from "@sluice/domain/Errors"
import type { ModelSignature, TensorSpec } from "@sluice/domain/ModelSignature"
import { Priority } from "@sluice/domain/PredictRequest"
import type { Tensor, TensorMap } from "@sluice/domain/Tensor"
import { stackRows } from "@sluice/plugin-sdk/TensorRows"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"
import { cacheMode } from "../predict/PredictTranslation.ts"
import { answering, json, serverTiming } from "./Answer.ts"
import { callContext } from "./CallHeaders.ts"
import { jsonBody } from "./JsonBody.ts"
import { tensorJson, tensorOf } from "./OipTensors.ts"

const readInfer = jsonBody(OipInferRequest, { exactIntegers: true })
const isPriority = Schema.is(Priority)

const inputsOf = (request: OipInferRequest): Result.Result<TensorMap, MalformedRequest> => {
  const tensors = new Map<string, Tensor>()
  for (const input of request.inputs) {
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
  const wanted = request.outputs?.map((output) => output.name) ?? known
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

/** The answer's JSON text; written by hand because 64-bit integers have no number in `JSON.stringify`. */
const responseText = (request: OipInferRequest, result: InferResult): Result.Result<string, SluiceError> => {
  const rows: Array<TensorMap> = []
  for (const item of result.items) {
    if (Result.isFailure(item)) return Result.fail(item.failure)
    rows.push(item.success.outputs)
  }
  const outputs = stackRows(rows)
  return Result.flatMap(outputNames(request, result.signature), (names) => {
    const texts: Array<string> = []
    for (const name of names) {
      const text = tensorJson(name, outputs[name]!)
      if (text === undefined) return Result.fail(new ModelFailed({ model: result.model, version: result.version }))
      texts.push(text)
    }
    const id = request.id === undefined ? "" : `"id":${JSON.stringify(request.id)},`
    return Result.succeed(
      `{"model_name":${JSON.stringify(result.model)},"model_version":${JSON.stringify(result.version)},${id}` +
        `"outputs":[${texts.join(",")}]}`
    )
  })
}

const longestTimeoutMs = 3_600_000

/** Triton gives the timeout in microseconds. */
const timeoutOf = ({ parameters }: OipInferRequest): number | undefined => {
  const micros = parameters?.["timeout"]
  return typeof micros === "number" && micros > 0 ? Math.min(longestTimeoutMs, Math.ceil(micros / 1000)) : undefined
}

const metadata = (spec: TensorSpec) => ({ name: spec.name, datatype: spec.datatype, shape: spec.shape })

export const oipHandlers = (api: SluiceApi) =>
  HttpApiBuilder.group(
    api,
    "oip",
    Effect.fnUntraced(function*(handlers) {
      const registry = yield* ModelRegistry
      const inference = yield* Inference
      const lifecycle = yield* Lifecycle

      const describe = Effect.fnUntraced(function*(model: string, version: string | undefined) {
        const served = yield* registry.get(model, version)
        return json({
          name: model,
          versions: yield* registry.versions(model),
          platform: served.plan.plugin.plugin.name,
          inputs: served.signature.inputs.map(metadata),
          outputs: served.signature.outputs.map(metadata)
        })
      })

      const modelReady = Effect.fnUntraced(function*(model: string, version: string | undefined) {
        const ready = yield* Effect.result(registry.get(model, version))
        if (Result.isSuccess(ready)) return json({ name: model, ready: true })
        if (ready.failure._tag === "ModelNotReady") return json({ name: model, ready: false }, {}, 503)
        return yield* ready.failure
      })

      const infer = Effect.fnUntraced(function*(
        request: HttpServerRequest.HttpServerRequest,
        model: string,
        version: string | undefined
      ) {
        const body = yield* readInfer(request)
        const call = yield* callContext(request)
        const priority = body.parameters?.["priority"]
        const result = yield* inference.infer({
          model,
          version,
          routingKey: call.routingKey,
          input: { _tag: "Tensors", tensors: yield* Effect.fromResult(inputsOf(body)) },
          cache: cacheMode(undefined, call.cacheControl),
          priority: isPriority(priority) ? priority : "normal",
          timeoutMs: timeoutOf(body) ?? call.timeoutMs
        })
        const text = yield* Effect.fromResult(responseText(body, result))
        return HttpServerResponse.text(text, {
          contentType: "application/json",
          headers: {
            "server-timing": serverTiming(result.timings),
            "x-cache": result.cacheStatus,
            "x-model-version": result.version
          }
        })
      })

      const ready = Effect.map(lifecycle.readiness, ({ ready }) => json({ ready }, {}, ready ? 200 : 503))

      return handlers
        .handle("server", () => Effect.succeed({ name: "sluice", version: serverVersion, extensions: [] }))
        .handle("live", () => Effect.succeed({ live: true }))
        .handle("ready", () => ready)
        .handle("metadata", ({ params }) => answering(describe(params.model, undefined)))
        .handle("versionMetadata", ({ params }) => answering(describe(params.model, params.version)))
        .handle("modelReady", ({ params }) => answering(modelReady(params.model, undefined)))
        .handle("versionReady", ({ params }) => answering(modelReady(params.model, params.version)))
        .handleRaw("infer", ({ params, request }) => answering(infer(request, params.model, undefined)))
        .handleRaw("versionInfer", ({ params, request }) => answering(infer(request, params.model, params.version)))
    })
  )
