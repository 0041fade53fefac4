/**
 * What the quick decoders have in common. Each of them accepts only what its schema accepts, and gives the same value;
 * where it is not sure it gives undefined, and the schema is asked.
 */

export type JsonObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const isNatural = (value: unknown): value is number =>
  typeof value === "number" && value >= 0 && Number.isSafeInteger(value)

export const isOptionalString = (value: unknown): value is string | undefined =>
  value === undefined || typeof value === "string"

export const isOptionalBoolean = (value: unknown): value is boolean | undefined =>
  value === undefined || typeof value === "boolean"

/** Whether every element of a list is one; false for what is no list. */
export const isListOf = <A>(value: unknown, is: (element: unknown) => element is A): value is ReadonlyArray<A> => {
  if (!Array.isArray(value)) return false
  for (let i = 0; i < value.length; i++) if (!is(value[i])) return false
  return true
}

/** Whether every member of an object is one; false for what is no object. */
export const isRecordOf = <A>(
  value: unknown,
  is: (member: unknown) => member is A
): value is Readonly<Record<string, A>> => {
  if (!isObject(value)) return false
  for (const name in value) if (!is(value[name])) return false
  return true
}

export const isString = (value: unknown): value is string => typeof value === "string"
