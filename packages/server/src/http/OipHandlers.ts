/**
 * Handlers of the Open Inference Protocol V2.
 */
import { OipInferRequest } from "@sluice/api/OipApi"
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { version as serverVersion } from "@sluice/api/Version"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import type { TensorSpec } from "@sluice/domain/ModelSignature"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Result from "effect/Result"
import { jsonReader } from "../calls/JsonReader.ts"
import { oipCall } from "../calls/OipCall.ts"
import { prepareCall } from "../calls/SurfaceCall.ts"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"
import { answering, json } from "./Answer.ts"
import { inferHandler } from "./InferHandler.ts"

const readInfer = jsonReader(OipInferRequest, { exactIntegers: true })

const metadata = (spec: TensorSpec) => ({ name: spec.name, datatype: spec.datatype, shape: spec.shape })

export const oipHandlers = (api: SluiceApi) =>
  HttpApiBuilder.group(
    api,
    "oip",
    Effect.fnUntraced(function*(handlers) {
      const registry = yield* ModelRegistry
      const infer = yield* inferHandler
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

      const prepare = (model: string, version: string | undefined) => prepareCall(readInfer, oipCall(model, version))

      const ready = Effect.map(lifecycle.readiness, ({ ready }) => json({ ready }, {}, ready ? 200 : 503))

      return handlers
        .handle("server", () =>
          Effect.succeed({ name: "sluice", version: serverVersion, extensions: ["model_repository"] }))
        .handle("live", () =>
          Effect.succeed({ live: true }))
        .handle("ready", () => ready)
        .handle("metadata", ({ params }) => answering(describe(params.model, undefined)))
        .handle("versionMetadata", ({ params }) => answering(describe(params.model, params.version)))
        .handle("modelReady", ({ params }) => answering(modelReady(params.model, undefined)))
        .handle("versionReady", ({ params }) => answering(modelReady(params.model, params.version)))
        .handleRaw("infer", ({ params, request }) => infer(request, prepare(params.model, undefined)))
        .handleRaw("versionInfer", ({ params, request }) => infer(request, prepare(params.model, params.version)))
    })
  )
