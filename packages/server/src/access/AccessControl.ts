/**
 * Who may call: whoever brings `AUTH_TOKEN` or a key of the keys file; everybody where there is neither.
 */
import type { ConfigError } from "@sluice/core/config/ConfigError"
import { type RateLimited, Unauthenticated } from "@sluice/domain/Errors"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { KeyEntry } from "./KeyEntry.ts"
import { Keyring, type ScryptTrial } from "./Keyring.ts"
import { keyDigest } from "./KeySecret.ts"
import { anonymous, type Principal, tokenHolder } from "./Principal.ts"
import { makeScryptChecks } from "./ScryptChecks.ts"
import { watchKeys } from "./WatchedKeys.ts"

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

export interface AccessOptions {
  /** The one key of the setting. */
  readonly token: Redacted.Redacted<string> | undefined
  /** The keys file, which is watched. */
  readonly keysFile: string | undefined
}

type AccessFailure = Unauthenticated | RateLimited

const tokenEntry = (token: Redacted.Redacted<string>): KeyEntry => ({
  principal: tokenHolder,
  proof: { type: "sha256", digest: keyDigest(Redacted.value(token)) },
  expiresMs: undefined,
  revoked: false,
  description: ""
})

const make = Effect.fnUntraced(function*({ keysFile, token }: AccessOptions) {
  const clock = yield* Clock.Clock
  const checks = yield* makeScryptChecks()
  const ofToken = token === undefined ? [] : [tokenEntry(token)]
  let ring = new Keyring(ofToken)
  if (keysFile !== undefined) {
    yield* watchKeys(keysFile, (keys) => {
      ring = new Keyring([...keys, ...ofToken])
    })
  }
  const nowMs = () => clock.currentTimeMillisUnsafe()

  /** Every key is looked up, whichever of them is right. */
  const known = (headers: Headers): Principal | undefined =>
    presentedKeys(headers).map((key) => ring.holder(key, nowMs)).find((holder) => holder !== undefined)

  const authenticate = Effect.fnUntraced(
    function*(headers: Headers): Effect.fn.Return<Principal, AccessFailure> {
      for (;;) {
        const holder = known(headers)
        if (holder !== undefined) return holder
        const tried = ring
        const trial = presentedKeys(headers).map((key) => tried.trial(key)).find((trial) => trial !== undefined)
        if (trial === undefined) return yield* new Unauthenticated()
        // What was learnt is looked up as any other key is, so that a ring that came meanwhile is asked anew.
        tried.learn(trial, yield* matches(trial))
      }
    }
  )
  const matches = ({ digest, hash, key }: ScryptTrial) => checks.matches(digest, key, hash)

  return AccessControl.of({ required: true, known, authenticate })
})

export class AccessControl extends Context.Service<AccessControl, {
  /** Whether a key is asked for at all. */
  readonly required: boolean
  /** Who sent these headers, where that can be told at once; `authenticate` answers for the others. */
  readonly known: (headers: Headers) => Principal | undefined
  /** `RateLimited` where too many keys wait to be checked. */
  readonly authenticate: (headers: Headers) => Effect.Effect<Principal, AccessFailure>
}>()("sluice/server/AccessControl") {
  /** Fails where the keys file cannot be read. */
  static readonly layer = (options: AccessOptions): Layer.Layer<AccessControl, ConfigError> =>
    options.token === undefined && options.keysFile === undefined
      ? Layer.succeed(
        AccessControl,
        AccessControl.of({
          required: false,
          known: () => anonymous,
          authenticate: () => Effect.succeed(anonymous)
        })
      )
      : Layer.effect(AccessControl, make(options))
}
