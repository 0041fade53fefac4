/**
 * FP32 values as JSON numbers of the fewest digits that give the same FP32 again: half the text that they are as the
 * doubles which JavaScript takes them for, and a tenth of the time. Pure.
 *
 * After Steele and White, "How to print floating-point numbers accurately" (1990): 9 digits always suffice, 7 often do.
 */

/** Digits that tell every FP32 from its neighbours. */
const mostDigits = 9
/** All of them are exact doubles, so that one multiplication or division rounds once. */
const powers = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))

/** Between these a number is written without an exponent, and its decimal exponent is found by comparing. */
const least = 1e-6
const most = 1e9

/** So many at a time: what a list of them cannot outgrow, at 18 bytes for each and its comma. */
const valuesAtOnce = 1024
const scratch = Buffer.allocUnsafe(valuesAtOnce * 18)

const [zero, point, minus, comma] = [48, 46, 45, 44]

/** The decimal exponent of a value between `least` and `most`: that of its first digit. */
const exponentOf = (value: number): number => {
  let exponent = 0
  if (value >= 1) { while (value >= powers[exponent + 1]!) exponent++ }
  else while (value * powers[-exponent]! < 1) exponent--
  return exponent
}

/** `digits` × 10^exponent, rounded once. */
const scaled = (digits: number, exponent: number): number =>
  exponent < 0 ? digits / powers[-exponent]! : digits * powers[exponent]!

/** Writes a value between `least` and `most`, and returns where it ends. */
const writePositive = (value: number, from: number): number => {
  let exponent = exponentOf(value)
  let length = mostDigits
  // Below 2^31 all along, so integers of the machine's.
  let digits = (scaled(value, length - 1 - exponent) + 0.5) | 0
  // The fewest digits that are still this number and no other.
  while (length > 1) {
    const fewer = (scaled(value, length - 2 - exponent) + 0.5) | 0
    if (Math.fround(scaled(fewer, exponent - length + 2)) !== value) break
    digits = fewer
    length--
  }
  // A number just below a power of ten may have been rounded up to it.
  if (digits >= powers[length]!) {
    digits = (digits / 10) | 0
    exponent++
  }
  while (length > 1 && digits % 10 === 0) {
    digits = (digits / 10) | 0
    length--
  }
  let at = from
  if (exponent < 0) {
    scratch[at++] = zero
    scratch[at++] = point
    for (let zeros = -exponent - 1; zeros > 0; zeros--) scratch[at++] = zero
    at += length
    for (let end = at - 1, rest = digits; length > 0; length--) {
      const tenth = (rest / 10) | 0
      scratch[end--] = zero + rest - tenth * 10
      rest = tenth
    }
    return at
  }
  // Zeros fill up to the point.
  for (; length <= exponent; length++) digits *= 10
  const fraction = length - 1 - exponent
  at += length + (fraction > 0 ? 1 : 0)
  let rest = digits
  let end = at - 1
  for (let written = 0; written < length; written++) {
    if (written === fraction && fraction > 0) scratch[end--] = point
    const tenth = (rest / 10) | 0
    scratch[end--] = zero + rest - tenth * 10
    rest = tenth
  }
  return at
}

/** A value that is too small or too large for the fast way, as JavaScript writes it with the fewest digits. */
const rareText = (value: number): string => {
  for (let digits = 1; digits < mostDigits; digits++) {
    const text = value.toPrecision(digits)
    if (Math.fround(Number(text)) === value) return String(Number(text))
  }
  return String(Number(value.toPrecision(mostDigits)))
}

const writeValue = (value: number, from: number): number => {
  if (value === 0) {
    scratch[from] = zero
    return from + 1
  }
  const size = Math.abs(value)
  if (!(size >= least && size < most)) return from + scratch.write(rareText(value), from, "latin1")
  if (value > 0) return writePositive(value, from)
  scratch[from] = minus
  return writePositive(size, from + 1)
}

/** The values from `from` to `to`, which must be finite, with commas between them. */
export const float32Text = (values: Float32Array, from = 0, to = values.length): string => {
  let text = ""
  for (let start = from; start < to; start += valuesAtOnce) {
    const end = Math.min(to, start + valuesAtOnce)
    let at = 0
    for (let i = start; i < end; i++) {
      if (i > from) scratch[at++] = comma
      at = writeValue(values[i]!, at)
    }
    text += scratch.toString("latin1", 0, at)
  }
  return text
}
