/**
 * JSON whose long integers keep every digit. Pure.
 */

/**
 * Integers of 16 digits or more lose digits as JavaScript numbers; those texts are parsed with their source at hand, which
 * takes ten times as long. The digits after a point are no such reason, and floats written in full have as many.
 */
const hasLongInteger = (text: string): boolean => manyDigits.test(text) && longInteger.test(text)

/** Found fast, and most often not there. */
const manyDigits = /[0-9]{16}/

const longInteger = /(?<![.0-9])[0-9]{16,}(?![.0-9eE])/

/** Tensors are lists; a number elsewhere is an option and stays one. */
function keepDigits(this: unknown, _key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return Array.isArray(this) && typeof value === "number" && !Number.isSafeInteger(value) &&
      /^-?[0-9]+$/.test(context?.source ?? "")
    ? BigInt(context?.source ?? 0)
    : value
}

/** As `JSON.parse`, but integers in lists that a number cannot hold are bigints. */
export const parseExact = (text: string): unknown =>
  hasLongInteger(text) ? JSON.parse(text, keepDigits) : JSON.parse(text)
