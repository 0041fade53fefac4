/**
 * What the headers of a call say to the pipeline: how long it may take, what it routes by, whether answers may be kept.
 */
import { MalformedRequest } from "@sluice/domain/Errors"
import { TimeoutMs } from "@sluice/domain/PredictRequest"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Schema from "effect/Schema"
import { presentedKeys } from "../access/AccessControl.ts"
import type { CallContext } from "../predict/PredictTranslation.ts"
import { RequestContext } from "./RequestContext.ts"

const isTimeout = Schema.is(TimeoutMs)

export const callContext = Effect.fnUntraced(function*({ headers }: HttpServerRequest.HttpServerRequest) {
  const { requestId } = yield* RequestContext
  const header = headers["x-sluice-timeout-ms"]
  const timeoutMs = header === undefined ? undefined : /^\d+$/.test(header) ? Number(header) : NaN
  if (timeoutMs !== undefined && !isTimeout(timeoutMs)) {
    return yield* new MalformedRequest({
      field: "X-Sluice-Timeout-Ms",
      detail: "expected a whole number of milliseconds from 1 to 3600000"
    })
  }
  return {
    requestId,
    routingKey: headers["x-routing-key"] ?? presentedKeys(headers)[0] ?? requestId,
    cacheControl: headers["cache-control"],
    timeoutMs
  } satisfies CallContext
})
