/**
 * Decodes the usual embeddings request without its schema.
 */
import type { EmbeddingsRequest } from "@sluice/api/OpenAiApi"
import { isListOf, isNatural, isObject, isOptionalString, isString } from "./DecodeParts.ts"

/** As the schema has it. */
const maxInputs = 2048

const isTokens = (value: unknown): value is ReadonlyArray<number> => isListOf(value, isNatural) && value.length > 0

const isInput = (value: unknown): value is EmbeddingsRequest["input"] =>
  isString(value) || isTokens(value) || (
    Array.isArray(value) && value.length > 0 && value.length <= maxInputs &&
    (isListOf(value, isString) || isListOf(value, isTokens))
  )

/** The request, or undefined where the schema must say. */
export const decodeEmbeddings = (body: unknown): EmbeddingsRequest | undefined => {
  if (!isObject(body)) return undefined
  const { dimensions, encoding_format, input, model, user } = body
  if (!isString(model) || !isInput(input) || !isOptionalString(user)) return undefined
  if (encoding_format !== undefined && encoding_format !== "float" && encoding_format !== "base64") return undefined
  if (dimensions !== undefined && !(isNatural(dimensions) && dimensions > 0)) return undefined
  return {
    model,
    input,
    ...(encoding_format === undefined ? undefined : { encoding_format }),
    ...(dimensions === undefined ? undefined : { dimensions }),
    ...(user === undefined ? undefined : { user })
  }
}
