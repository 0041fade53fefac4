/**
 * The certificates of a connection to Redis, read from the files that the settings name.
 */
import type { RedisTls } from "@sluice/core/cache/Redis"
import { ConfigError } from "@sluice/core/config/ConfigError"
import { describeFileError } from "@sluice/core/config/YamlFile"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { X509Certificate } from "node:crypto"
import * as NodeFs from "node:fs/promises"
import { createSecureContext } from "node:tls"
import type { Settings } from "./SettingDefinitions.ts"

const mistake = (source: string, field: string, problem: string, cause: unknown) =>
  new ConfigError({ mistakes: [{ source, field, problem }], cause })

const read = (file: string, field: string): Effect.Effect<string, ConfigError> =>
  Effect.tryPromise({
    try: () => NodeFs.readFile(file, "utf8"),
    catch: (cause) => mistake(file, field, describeFileError(cause), cause)
  })

const attempt = (action: () => unknown, fail: (cause: unknown) => ConfigError) =>
  Effect.asVoid(Effect.try({ try: action, catch: fail }))

const readAuthority = Effect.fnUntraced(function*(file: string) {
  const ca = yield* read(file, "redis.ca")
  const problem = "it holds no certificate in PEM that can be used"
  // A secure context takes any text for authorities, and then trusts none.
  yield* attempt(() => new X509Certificate(ca), (cause) => mistake(file, "redis.ca", problem, cause))
  return { ca }
})

const readClient = Effect.fnUntraced(function*(certFile: string, keyFile: string) {
  const [cert, key] = yield* Effect.all([read(certFile, "redis.cert"), read(keyFile, "redis.key")])
  const problem = `it and ${keyFile} are no pair of a certificate and its key in PEM, without a passphrase`
  yield* attempt(() => createSecureContext({ cert, key }), (cause) => mistake(certFile, "redis.cert", problem, cause))
  return { cert, key: Redacted.make(key) }
})

/** What the settings say of TLS; undefined where they leave it to Node. Fails where a file cannot be used. */
export const readRedisTls = Effect.fnUntraced(
  function*({ ca, cert, key }: Settings["redis"]): Effect.fn.Return<RedisTls | undefined, ConfigError> {
    const client = cert === undefined || key === undefined ? undefined : yield* readClient(cert, key)
    const authority = ca === undefined ? undefined : yield* readAuthority(ca)
    return client === undefined && authority === undefined ? undefined : { ...authority, ...client }
  }
)
