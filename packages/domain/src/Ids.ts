/**
 * Names by which callers and operators refer to models, versions and requests.
 */
import * as Schema from "effect/Schema"

const name = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** A model's name: 1..128 of `A-Za-z0-9._-`, starting with a letter or digit. */
export const ModelName = Schema.String.check(
  Schema.isPattern(name, { expected: "a name of 1 to 128 letters, digits, '.', '_' or '-'" })
)

export const isModelName = (value: unknown): value is string => typeof value === "string" && name.test(value)

/** A version's name within its model, of the same form as a model's name. */
export const ModelVersion = ModelName

const requestId = /^[A-Za-z0-9._:-]{1,128}$/

/** A request's id: 1..128 of `A-Za-z0-9._:-`. */
export const RequestId = Schema.String.check(
  Schema.isPattern(requestId, { expected: "1 to 128 of A-Z a-z 0-9 . _ : -" })
)

export const isRequestId = (value: unknown): value is string => typeof value === "string" && requestId.test(value)

/** The id of one model version as people write it, `sentiment@v2`. */
export const modelId = (model: string, version: string): string => `${model}@${version}`
