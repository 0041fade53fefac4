/**
 * What the headers of a call say to the pipeline: how long it may take, what it routes by, whether answers may be kept.
 */
import { MalformedRequest } from "@sluice/domain/Errors"
import { isTimeoutMs } from "@sluice/domain/PredictRequest"
import * as Result from "effect/Result"
import { presentedKeys } from "../access/AccessControl.ts"

export type CallHeaders = Readonly<Record<string, string | undefined>>

/** What a call says outside its body. */
export interface CallContext {
  readonly requestId: string
  readonly routingKey: string
  readonly cacheControl: string | undefined
  /** From the header, in milliseconds; the body's own wins. */
  readonly timeoutMs: number | undefined
}

export const callContext = (
  headers: CallHeaders,
  requestId: string
): Result.Result<CallContext, MalformedRequest> => {
  const header = headers["x-sluice-timeout-ms"]
  const timeoutMs = header === undefined ? undefined : /^\d+$/.test(header) ? Number(header) : NaN
  if (timeoutMs !== undefined && !isTimeoutMs(timeoutMs)) {
    return Result.fail(
      new MalformedRequest({
        field: "X-Sluice-Timeout-Ms",
        detail: "expected a whole number of milliseconds from 1 to 3600000"
      })
    )
  }
  return Result.succeed({
    requestId,
    routingKey: headers["x-routing-key"] ?? presentedKeys(headers)[0] ?? requestId,
    cacheControl: headers["cache-control"],
    timeoutMs
  })
}
