/**
 * Handlers of the Open Inference Protocol's model repository extension.
 */
import { type OipIndexEntry, OipIndexRequest, OipRepositoryRequest } from "@sluice/api/OipRepositoryApi"
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { AuditLog } from "@sluice/core/registry/AuditLog"
import { ModelRegistry, type VersionInfo } from "@sluice/core/registry/ModelRegistry"
import { modelId } from "@sluice/domain/Ids"
import type { VersionState } from "@sluice/domain/ModelInfo"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import { visible } from "../access/AccessDecision.ts"
import { CurrentPrincipal } from "../access/Principal.ts"
import { EngineControl } from "../cluster/EngineControl.ts"
import { answering, json } from "./Answer.ts"
import { currentCaller } from "./Caller.ts"
import { optionalJsonBody } from "./JsonBody.ts"

const readIndex = optionalJsonBody(OipIndexRequest)
const readTarget = optionalJsonBody(OipRepositoryRequest)

const states: Readonly<Record<VersionState, OipIndexEntry["state"]>> = {
  unloaded: "UNAVAILABLE",
  loading: "LOADING",
  warming: "LOADING",
  ready: "READY",
  failed: "UNAVAILABLE",
  draining: "UNLOADING"
}

/** Why a version failed is for its operator's log: it may name files. */
const entryOf = ({ name, state, version }: VersionInfo): OipIndexEntry => ({
  name,
  version,
  state: states[state],
  reason: state === "ready" ? "" : state
})

export const oipRepositoryHandlers = (api: SluiceApi) =>
  HttpApiBuilder.group(
    api,
    "oipRepository",
    Effect.fnUntraced(function*(handlers) {
      const audit = yield* AuditLog
      const control = yield* EngineControl
      const registry = yield* ModelRegistry

      const index = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
        const { ready } = yield* readIndex(request)
        const entries = visible(yield* CurrentPrincipal, yield* registry.list).map(entryOf)
        return json(ready === true ? entries.filter(({ state }) => state === "READY") : entries)
      })

      const change = Effect.fnUntraced(function*(
        verb: "load" | "unload",
        model: string,
        request: HttpServerRequest.HttpServerRequest
      ) {
        const version = (yield* readTarget(request)).parameters?.version
        const { by, requestId } = yield* currentCaller
        const entry = { by, action: `model.${verb}`, model, request_id: requestId }
        yield* Effect.tapError(
          control[verb](model, version),
          ({ message }) => audit.record({ ...entry, detail: message, outcome: "refused" })
        )
        const detail = version === undefined
          ? verb === "load" ? "its default version" : "every version"
          : modelId(model, version)
        yield* audit.record({ ...entry, detail, outcome: "applied" })
        return json({ name: model, [verb]: true })
      })

      return handlers
        .handleRaw("index", ({ request }) => answering(index(request)))
        .handleRaw("load", ({ params, request }) => answering(change("load", params.model, request)))
        .handleRaw("unload", ({ params, request }) => answering(change("unload", params.model, request)))
    })
  )
