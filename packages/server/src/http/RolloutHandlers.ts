/**
 * Handlers of the rollouts group.
 */
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { AuditLog } from "@sluice/core/registry/AuditLog"
import { parseIfMatch } from "@sluice/core/registry/EntityTag"
import { Rollouts } from "@sluice/core/rollout/Rollouts"
import { MalformedRequest } from "@sluice/domain/Errors"
import { RolloutAction, type RolloutStatus } from "@sluice/domain/RolloutStatus"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Result from "effect/Result"
import { answering, json } from "./Answer.ts"
import { currentCaller } from "./Caller.ts"
import { jsonBody } from "./JsonBody.ts"

const readAction = jsonBody(RolloutAction)

/** The revision that a change is meant for; undefined where any will do. */
export const revisionOf = (header: string | undefined): Result.Result<number | undefined, MalformedRequest> => {
  const tags = header === undefined ? "*" : parseIfMatch(header)
  if (tags === "*") return Result.succeed(undefined)
  const revision = tags?.length === 1 ? /^"(\d{1,15})"$/.exec(tags[0]!)?.[1] : undefined
  return revision === undefined
    ? Result.fail(
      new MalformedRequest({ field: "If-Match", detail: "expected the ETag of a rollout, such as \"3\", or *" })
    )
    : Result.succeed(Number(revision))
}

const answer = (status: RolloutStatus) => json(status, { etag: `"${status.revision}"` })

const detailOf = (action: RolloutAction): string =>
  action.action === "set_percentage" ? `to ${action.percentage} %` : "asked for by an operator"

export const rolloutHandlers = (api: SluiceApi) =>
  HttpApiBuilder.group(
    api,
    "rollouts",
    Effect.fnUntraced(function*(handlers) {
      const audit = yield* AuditLog
      const rollouts = yield* Rollouts

      const act = Effect.fnUntraced(function*(
        model: string,
        request: HttpServerRequest.HttpServerRequest,
        ifMatch: string | undefined
      ) {
        const action = yield* readAction(request)
        const revision = yield* Effect.fromResult(revisionOf(ifMatch))
        const { by, requestId } = yield* currentCaller
        const entry = { by, action: `rollout.${action.action}`, model, request_id: requestId }
        const status = yield* Effect.tapError(
          rollouts.act(model, action, by, revision),
          ({ message }) => audit.record({ ...entry, detail: message, outcome: "refused" })
        )
        const change = { phase: status.phase, percentage: status.percentage, revision: status.revision }
        yield* audit.record({ ...entry, detail: detailOf(action), change, outcome: "applied" })
        return answer(status)
      })

      return handlers
        .handle("status", ({ params }) => answering(Effect.map(rollouts.status(params.model), answer)))
        .handleRaw("act", ({ headers, params, request }) => answering(act(params.model, request, headers["if-match"])))
    })
  )
