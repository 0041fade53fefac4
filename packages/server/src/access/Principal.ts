/**
 * Who a request comes from, and what they may do: known once its key is.
 */
import type { Limits } from "@sluice/core/limits/Limits"
import { type Role, roles } from "@sluice/domain/Role"
import * as Context from "effect/Context"

export type { Role } from "@sluice/domain/Role"

export interface Principal {
  /** The key's id, as logs, limits and the audit log name it; never the key. */
  readonly id: string
  readonly roles: ReadonlySet<Role>
  /** The models it may call; undefined is all. */
  readonly models: ReadonlySet<string> | undefined
  readonly limits: Limits | undefined
}

const everything: ReadonlySet<Role> = new Set<Role>(roles)

/** Whoever calls a server that asks for no key. */
export const anonymous: Principal = { id: "anonymous", roles: everything, models: undefined, limits: undefined }

/** Whoever brings the one key of the setting. */
export const tokenHolder: Principal = { id: "auth_token", roles: everything, models: undefined, limits: undefined }

/** Who makes the call under way: set where its key is checked. */
export const CurrentPrincipal = Context.Reference<Principal>("sluice/server/CurrentPrincipal", {
  defaultValue: () => anonymous
})

export const mayDo = ({ roles }: Principal, role: Role): boolean => roles.has(role) || roles.has("admin")

export const mayCall = ({ models }: Principal, model: string): boolean => models === undefined || models.has(model)
