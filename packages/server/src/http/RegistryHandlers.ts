/**
 * Handlers of the registry group.
 */
import { maxRegistryBytes } from "@sluice/api/RegistryApi"
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { AuditLog } from "@sluice/core/registry/AuditLog"
import { RegistryControl } from "@sluice/core/registry/RegistryControl"
import { UnsupportedMediaType } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { EngineControl } from "../cluster/EngineControl.ts"
import { answering, json } from "./Answer.ts"
import { currentCaller } from "./Caller.ts"
import { textBody } from "./TextBody.ts"

const accepted = ["application/yaml", "application/x-yaml", "text/*"]

/** Parameters aside, and in any letter case; a body without a type is taken for YAML. */
const isYaml = (contentType: string | undefined): boolean => {
  const type = contentType?.split(";")[0]?.trim().toLowerCase()
  return type === undefined || type.startsWith("text/") || accepted.includes(type)
}

const readYamlText = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  if (!isYaml(request.headers["content-type"])) return yield* new UnsupportedMediaType({ accepted })
  return yield* textBody(request, maxRegistryBytes)
})

/** A strong tag is of these very bytes: nobody on the way may compress them. */
const unchanged = "no-cache, no-transform"

/** How many entries of the audit log are given where the caller does not say. */
const usualEntries = 100

export const registryHandlers = (api: SluiceApi) =>
  HttpApiBuilder.group(
    api,
    "registry",
    Effect.fnUntraced(function*(handlers) {
      const audit = yield* AuditLog
      const control = yield* RegistryControl
      const engine = yield* EngineControl

      const replace = Effect.fnUntraced(function*(
        request: HttpServerRequest.HttpServerRequest,
        ifMatch: string | undefined,
        dryRun: boolean
      ) {
        const text = yield* readYamlText(request)
        const caller = yield* currentCaller
        const applied = yield* control.apply(text, { ...caller, ifMatch, dryRun })
        if (!dryRun) yield* engine.takeUpRegistry
        return json(applied, dryRun ? {} : { etag: applied.etag })
      })

      return handlers
        .handle("current", () =>
          Effect.map(control.current, ({ etag, text }) =>
            HttpServerResponse.text(text, {
              contentType: "application/yaml",
              headers: { etag, "cache-control": unchanged }
            })))
        .handleRaw("replace", ({ headers, query, request }) =>
          answering(replace(request, headers["if-match"], query.dry_run === "true")))
        .handle("status", () =>
          control.status)
        .handle("audit", ({ query }) => Effect.map(audit.last(query.limit ?? usualEntries), (entries) => ({ entries })))
    })
  )
