/**
 * The shape of `api_keys.yaml`, field by field, as it is written. What entries say of each other is checked by `KeysFile.ts`.
 */
import { LimitsSchema } from "@sluice/core/limits/Limits"
import { ModelName } from "@sluice/domain/Ids"
import { roles } from "@sluice/domain/Role"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { parseScrypt, scryptExpectation } from "./KeySecret.ts"

export const idExpectation = "1 to 64 letters, digits, '_' or '-', starting with a letter or digit"

/** How logs, limits and the audit log name a key. Without dots, which part it from the secret in a key. */
const KeyId = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, { expected: idExpectation }))

export const isKeyId = Schema.is(KeyId)

const timeForm = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/

const timeExpectation = "a time such as \"2027-01-31T12:00:00Z\", or a date, which begins at 0:00 UTC"

/** Milliseconds since 1970 of an ISO 8601 time with its zone; undefined where it is none. */
export const parseTime = (text: string): number | undefined => {
  const ms = timeForm.test(text) ? Date.parse(text) : Number.NaN
  // Date.parse takes the 31st of February for the 3rd of March.
  const isDay = Number.isFinite(ms) &&
    new Date(`${text.slice(0, 10)}T00:00:00Z`).toJSON()?.startsWith(text.slice(0, 10))
  return isDay === true ? ms : undefined
}

const textTo = <A>(expected: string, parse: (text: string) => A | undefined) => {
  const isText = (value: unknown): value is A => value !== undefined
  return Schema.String.annotate({ expected }).pipe(
    Schema.decodeTo(
      Schema.declare(isText),
      SchemaTransformation.transformEffect<A, string>({
        decode: (text) => {
          const parsed = parse(text)
          return parsed === undefined
            ? Effect.fail(new SchemaIssue.InvalidValue({ expected }))
            : Effect.succeed(parsed)
        },
        encode: () => Effect.fail(new SchemaIssue.InvalidValue({ expected }))
      })
    )
  )
}

const Time = textTo(timeExpectation, parseTime)
const digestExpectation = "the SHA-256 of the key in hex, 64 digits, in quotes"
const Digest = textTo(
  digestExpectation,
  (text) => /^[0-9a-fA-F]{64}$/.test(text) ? text.toLowerCase() : undefined
)

/** When it was taken back is for people to read: whatever time it is, the key no longer holds. */
const revokedExpectation = "true, false or the time when it was revoked"
const Revoked = Schema.Unknown.annotate({ expected: revokedExpectation }).check(
  Schema.makeFilter(
    (value) => typeof value === "boolean" || (typeof value === "string" && parseTime(value) !== undefined),
    { expected: revokedExpectation }
  )
)

export const KeyYaml = Schema.Struct({
  id: KeyId,
  sha256: Schema.optionalKey(Digest),
  scrypt: Schema.optionalKey(textTo(scryptExpectation, parseScrypt)),
  roles: Schema.Array(Schema.Literals(roles)).check(
    Schema.isMinLength(1, { expected: `a list of one or more of ${roles.join(", ")}` })
  ),
  models: Schema.optionalKey(
    Schema.Array(ModelName).check(
      Schema.isMinLength(1, { expected: "a list of one or more models: without models it may call all" })
    )
  ),
  limits: Schema.optionalKey(LimitsSchema),
  expires: Schema.optionalKey(Time),
  revoked: Schema.optionalKey(Revoked),
  description: Schema.optionalKey(Schema.String)
})
export interface KeyYaml extends Schema.Schema.Type<typeof KeyYaml> {}

export const KeysYaml = Schema.Struct({ keys: Schema.Array(KeyYaml) })
export interface KeysYaml extends Schema.Schema.Type<typeof KeysYaml> {}
