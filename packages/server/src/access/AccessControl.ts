/**
 * Who may call: with no key configured everybody, else whoever sends it. Comparison takes the same time for any input.
 */
import { Unauthenticated } from "@sluice/domain/Errors"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import { anonymous, type Principal, tokenHolder } from "./Principal.ts"

type Headers = Readonly<Record<string, string | undefined>>

const bearer = /^Bearer +(\S+)$/i

const none: ReadonlyArray<string> = []

/** The keys a request carries: any one may be right, since a proxy may have put another beside it. */
export const presentedKeys = (headers: Headers): ReadonlyArray<string> => {
  const { authorization, "x-api-key": apiKey, "x-token": token } = headers
  const carried = authorization === undefined ? undefined : bearer.exec(authorization)?.[1]
  return token === undefined && apiKey === undefined && carried === undefined
    ? none
    : [token, apiKey, carried].filter((key) => key !== undefined)
}

/** Digests have one length, so that the comparison tells nothing of the key's. */
const digest = (text: string) => createHash("sha256").update(text).digest()

export class AccessControl extends Context.Service<AccessControl, {
  /** Whether a key is asked for at all. */
  readonly required: boolean
  /** Who sent these headers, where that can be told at once; `authenticate` answers for the others. */
  readonly known: (headers: Headers) => Principal | undefined
  readonly authenticate: (headers: Headers) => Effect.Effect<Principal, Unauthenticated>
}>()("sluice/server/AccessControl") {
  static readonly layer = (token: Redacted.Redacted<string> | undefined) =>
    Layer.sync(AccessControl, () => {
      if (token === undefined) {
        return AccessControl.of({
          required: false,
          known: () => anonymous,
          authenticate: () => Effect.succeed(anonymous)
        })
      }
      const expected = digest(Redacted.value(token))
      const known = (headers: Headers): Principal | undefined =>
        presentedKeys(headers).map((key) => timingSafeEqual(digest(key), expected)).includes(true)
          ? tokenHolder
          : undefined
      return AccessControl.of({
        required: true,
        known,
        authenticate: (headers) =>
          Effect.fromNullishOr(known(headers)).pipe(Effect.mapError(() => new Unauthenticated()))
      })
    })
}
