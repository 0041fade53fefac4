/**
 * ONNX files written by hand, by the protobuf and ONNX specifications; and a source that counts what is read of them.
 */
import type { ByteSource } from "../src/ProtobufReader.ts"

type Bytes = ReadonlyArray<number>

export const varint = (value: number): Bytes =>
  value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]

export const number = (field: number, value: number): Bytes => [...varint(field * 8), ...varint(value)]

export const bytes = (field: number, content: Bytes): Bytes => [
  ...varint(field * 8 + 2),
  ...varint(content.length),
  ...content
]

export const text = (field: number, content: string): Bytes => bytes(field, [...new TextEncoder().encode(content)])

/** A source that keeps count of the bytes read from it. */
export const sourceOf = (content: ArrayLike<number>): ByteSource & { readonly bytesRead: () => number } => {
  const all = Uint8Array.from(content)
  let count = 0
  return {
    size: all.length,
    read: (target, position) => {
      const part = all.subarray(position, position + target.length)
      target.set(part)
      count += part.length
      return part.length
    },
    bytesRead: () => count
  }
}
