/**
 * Whether a caller may use a route, and which models it may see. Pure.
 */
import type { AccessRule } from "@sluice/api/Access"
import { Forbidden, ModelNotFound } from "@sluice/domain/Errors"
import { mayCall, mayDo, type Principal } from "./Principal.ts"

/**
 * Why the rule keeps this caller out; undefined where it does not. `named` is the model in the path. One that is not the
 * key's own is unknown to it, as any that is not there.
 */
export const refusalOf = (
  caller: Principal,
  rule: AccessRule,
  named?: string
): Forbidden | ModelNotFound | undefined => {
  if (!rule.roles.some((role) => mayDo(caller, role))) {
    return new Forbidden({ detail: `it has no role ${rule.roles.join(" or ")}` })
  }
  if (caller.models === undefined || rule.models === "own") return undefined
  if (rule.models === "whole") {
    return new Forbidden({ detail: "this is about all models, and the key is for some of them" })
  }
  return named !== undefined && mayCall(caller, named) ? undefined : new ModelNotFound({ model: named ?? "" })
}

/** Those of a list that the caller may see. */
export const visible = <A extends { readonly name: string }>(
  caller: Principal,
  listed: ReadonlyArray<A>
): ReadonlyArray<A> => caller.models === undefined ? listed : listed.filter(({ name }) => mayCall(caller, name))
