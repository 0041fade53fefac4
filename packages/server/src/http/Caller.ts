/**
 * How the audit log names who made a change over HTTP. Pure.
 */
import type { AccessControl } from "../access/AccessControl.ts"
import type { RequestInfo } from "./RequestContext.ts"

export interface Caller {
  readonly by: string
  readonly requestId: string
}

/** By the setting that holds the key, never by the key; whoever comes without one is `anonymous`. */
export const callerOf = ({ required }: AccessControl["Service"], { requestId }: RequestInfo): Caller => ({
  by: `http:${required ? "auth_token" : "anonymous"}`,
  requestId
})
