/**
 * A server that other machines can reach is never open by accident: where no key is configured, it makes one for the run.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { isLoopback } from "./Loopback.ts"
import type { ResolvedSettings, Settings } from "./Settings.ts"

/** Whether a key has to be made: other machines reach the port, none is configured, and nobody wants it open. */
const needsKey = ({ auth, server }: Settings): boolean =>
  auth.token === undefined && auth.keysFile === undefined && !auth.open && !isLoopback(server.host)

/** 256 bits from the system's generator, as text that headers can carry. */
const makeKey = Effect.sync(() => Redacted.make(`slc_${randomBytes(32).toString("base64url")}`))

/** The same settings with a key where one has to be made; `generatedKey` is what is printed once, with the banner. */
export const withGeneratedKey = Effect.fnUntraced(function*(resolved: ResolvedSettings) {
  if (!needsKey(resolved.settings)) return resolved
  const key = yield* makeKey
  const { auth } = resolved.settings
  return { ...resolved, generatedKey: key, settings: { ...resolved.settings, auth: { ...auth, token: key } } }
})
