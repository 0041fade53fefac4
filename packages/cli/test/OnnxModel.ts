/**
 * ONNX files of the smallest kind, for whoever pulls and adds them: no inputs, no operators, weights here or elsewhere.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */

const varint = (value: number): ReadonlyArray<number> =>
  value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]

const number = (field: number, value: number): Buffer => Buffer.from([...varint(field * 8), ...varint(value)])

const bytes = (field: number, ...content: ReadonlyArray<Buffer>): Buffer => {
  const whole = Buffer.concat(content)
  return Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(whole.length)]), whole])
}

const text = (field: number, content: string): Buffer => bytes(field, Buffer.from(content))

/** A model with these bytes as a weight, and others in the files that are named. */
export const onnxModel = (weights: Buffer, ...locations: ReadonlyArray<string>): Buffer => {
  const inside = bytes(5, number(1, weights.length), number(2, 3), bytes(9, weights))
  const outside = locations.map((location) =>
    bytes(5, number(1, 4), number(2, 1), bytes(13, text(1, "location"), text(2, location)), number(14, 1))
  )
  return Buffer.concat([number(1, 8), bytes(7, inside, ...outside), bytes(8, number(2, 17))])
}
