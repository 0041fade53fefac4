/**
 * Walks a protobuf file by random access: what is skipped is never read, so a header costs the same in a file of any size.
 */
import { readSync } from "node:fs"

/** Why a file could not be read as protobuf: a sentence without the file's name. */
export class MalformedFile extends Error {
  override readonly name = "MalformedFile"
}

/** Bytes of a file, from a position on. */
export interface ByteSource {
  readonly size: number
  /** Fills `target` from `position` on and returns how many bytes there were. */
  readonly read: (target: Uint8Array, position: number) => number
}

/** One field of a message: its number, and either its varint or where its bytes lie. */
export interface Field {
  readonly number: number
  readonly varint: number
  /** Whether it is a run of bytes rather than a number: a repeated number may be either. */
  readonly packed: boolean
  readonly start: number
  readonly end: number
}

const WINDOW_BYTES = 4096
const MOST_VARINT_BYTES = 10
/** No name or note of a model comes near; a length that asks for more is a damaged file's. */
const MOST_TEXT_BYTES = 64 * 1024 * 1024

export const fileSource = (descriptor: number, size: number): ByteSource => ({
  size,
  read: (target, position) => readSync(descriptor, target, 0, target.length, position)
})

export class ProtobufReader {
  readonly source: ByteSource
  private readonly window = new Uint8Array(WINDOW_BYTES)
  private windowStart = 0
  private windowEnd = 0

  constructor(source: ByteSource) {
    this.source = source
  }

  /** The fields of the message that lies at `start..end`, in the order of the file. */
  *fields(start: number, end: number): Generator<Field> {
    let position = start
    while (position < end) {
      const tag = this.varint(position, end)
      const number = Math.floor(tag.value / 8)
      if (number <= 0) throw new MalformedFile("it is not an ONNX model")
      const field = this.field(number, tag.value % 8, tag.next, end)
      position = field.next
      yield field.field
    }
  }

  /** The numbers of a packed field. */
  *varints(field: Field): Generator<number> {
    for (let position = field.start; position < field.end;) {
      const { next, value } = this.varint(position, field.end)
      position = next
      yield value
    }
  }

  /** The UTF-8 text of a length-delimited field. */
  text(field: Field, most = MOST_TEXT_BYTES): string {
    if (field.end - field.start > most) throw new MalformedFile(`it has a text of ${field.end - field.start} bytes`)
    const bytes = new Uint8Array(field.end - field.start)
    let read = 0
    while (read < bytes.length) {
      const count = this.source.read(bytes.subarray(read), field.start + read)
      if (count === 0) throw this.ended(field.end)
      read += count
    }
    return new TextDecoder().decode(bytes)
  }

  private field(number: number, wireType: number, start: number, end: number): { field: Field; next: number } {
    switch (wireType) {
      case 0: {
        const { next, value } = this.varint(start, end)
        return { field: { number, varint: value, packed: false, start, end: next }, next }
      }
      case 1:
        return this.span(number, start, start + 8, end)
      case 2: {
        const length = this.varint(start, end)
        if (length.value < 0) throw new MalformedFile("it is damaged")
        return this.span(number, length.next, length.next + length.value, end)
      }
      case 5:
        return this.span(number, start, start + 4, end)
      default:
        throw new MalformedFile("it is not an ONNX model")
    }
  }

  private span(number: number, start: number, end: number, limit: number): { field: Field; next: number } {
    if (end > limit) throw limit === this.source.size ? this.ended(end) : new MalformedFile("it is damaged")
    return { field: { number, varint: 0, packed: true, start, end }, next: end }
  }

  /** Numbers past 2^53 lose their last digits; no length or dimension of a real model comes near. */
  private varint(start: number, limit: number): { value: number; next: number } {
    let value = 0
    let scale = 1
    for (let position = start; position < start + MOST_VARINT_BYTES - 1; position++) {
      const byte = this.byteWithin(position, limit)
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return { value, next: position + 1 }
      scale *= 128
    }
    return this.negative(start, limit)
  }

  /** A varint of the full length is a negative number in two's complement. */
  private negative(start: number, limit: number): { value: number; next: number } {
    const next = start + MOST_VARINT_BYTES
    if (this.byteWithin(next - 1, limit) > 1) throw new MalformedFile("it is not an ONNX model")
    let bits = 0n
    for (let position = next - 1; position >= start; position--) bits = bits * 128n + BigInt(this.byte(position) & 0x7f)
    return { value: Number(BigInt.asIntN(64, bits)), next }
  }

  private byteWithin(position: number, limit: number): number {
    if (position < limit) return this.byte(position)
    throw limit === this.source.size ? this.ended(position + 1) : new MalformedFile("it is damaged")
  }

  private byte(position: number): number {
    if (position < this.windowStart || position >= this.windowEnd) {
      this.windowStart = position
      this.windowEnd = position + this.source.read(this.window, position)
      if (this.windowEnd === position) throw this.ended(position + 1)
    }
    return this.window[position - this.windowStart]!
  }

  private ended(needed: number): MalformedFile {
    return new MalformedFile(`it ends after ${this.source.size} of at least ${needed} bytes`)
  }
}
