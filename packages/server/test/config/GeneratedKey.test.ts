import { assert, describe, it } from "@effect/vitest"
import { withGeneratedKey } from "@sluice/server/config/GeneratedKey"
import { resolveSettings } from "@sluice/server/config/Settings"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

const keyed = (env: Readonly<Record<string, string>>) =>
  Effect.flatMap(Effect.fromResult(resolveSettings({ env, dotenv: {}, yaml: undefined })), withGeneratedKey)

describe("withGeneratedKey", () => {
  it.effect("makes a key where other machines reach the port and none is configured", () =>
    Effect.gen(function*() {
      for (const HOST of ["0.0.0.0", "::", "10.0.0.5", "inference.internal"]) {
        const { generatedKey, settings } = yield* keyed({ HOST })
        assert.isDefined(generatedKey, HOST)
        assert.match(Redacted.value(generatedKey), /^slc_[A-Za-z0-9_-]{43}$/)
        assert.strictEqual(settings.auth.token, generatedKey)
      }
    }))

  it.effect("makes another one each time", () =>
    Effect.gen(function*() {
      const [first, second] = [yield* keyed({ HOST: "::" }), yield* keyed({ HOST: "::" })]
      assert.notStrictEqual(Redacted.value(first.generatedKey!), Redacted.value(second.generatedKey!))
    }))

  it.effect("makes a key where the configured one was left blank", () =>
    Effect.gen(function*() {
      assert.isDefined((yield* keyed({ HOST: "0.0.0.0", AUTH_TOKEN: "" })).generatedKey)
    }))

  it.effect("makes none on loopback, with a key, or where the server is to be open", () =>
    Effect.gen(function*() {
      const keysFile = { HOST: "0.0.0.0", API_KEYS_FILE: "keys.yaml" }
      for (const env of [{}, { HOST: "::1" }, { HOST: "0.0.0.0", AUTH_OPEN: "true" }, keysFile]) {
        const { generatedKey, settings } = yield* keyed(env)
        assert.isUndefined(generatedKey)
        assert.isUndefined(settings.auth.token)
      }
      const { generatedKey, settings } = yield* keyed({ HOST: "0.0.0.0", AUTH_TOKEN: "mine" })
      assert.isUndefined(generatedKey)
      assert.strictEqual(Redacted.value(settings.auth.token!), "mine")
    }))
})
