/**
 * A cached item's bytes. All numbers are little-endian, as the hosts are that ONNX Runtime exists for; times are epoch
 * milliseconds by the clock of who stored it.
 *
 *     "SLIO"  u8 form  u32 CRC-32 of the key and the rest  f64 stored at  f64 fresh until  f64 kept until  f64 cost  u16 tensors
 *     tensor: u16 length, name   u8 datatype   u8 rank   u32 dimension…   u32 length, data
 *     data:   raw elements; BYTES: for each element u32 length (top bit: UTF-16, else UTF-8), text
 */
import { Datatype, type Tensor, type TensorData } from "@sluice/domain/Tensor"
import { elementCount, emptyData } from "@sluice/plugin-sdk/TensorRows"
import { crc32 } from "node:zlib"
import type { ItemOutput } from "../ItemOutput.ts"

const magic = 0x4f494c53
/** Counted up when the layout changes: entries of another form are misses. */
const form = 3
const checksumAt = 5
const bodyAt = 9
const headerLength = bodyAt + 4 * 8 + 2

/** When an entry was stored, until when it is as good as computed anew, and until when it is kept at all. */
export interface EntryTimes {
  readonly storedAt: number
  readonly freshUntil: number
  readonly keptUntil: number
}

export interface StoredOutput {
  readonly output: ItemOutput
  readonly times: EntryTimes
}

/** By code; only ever appended to. */
const datatypes = Datatype.literals
const utf16Flag = 0x8000_0000

const textEncoding = (text: string) => text.isWellFormed() ? "utf8" : "utf16le"

const dataLength = (data: TensorData): number =>
  ArrayBuffer.isView(data)
    ? data.byteLength
    : data.reduce((total, text) => total + 4 + Buffer.byteLength(text, textEncoding(text)), 0)

class Writer {
  readonly bytes: Buffer
  #at = 0

  constructor(length: number) {
    this.bytes = Buffer.allocUnsafe(length)
  }

  u8(value: number): void {
    this.#at = this.bytes.writeUInt8(value, this.#at)
  }

  u16(value: number): void {
    this.#at = this.bytes.writeUInt16LE(value, this.#at)
  }

  u32(value: number): void {
    this.#at = this.bytes.writeUInt32LE(value, this.#at)
  }

  f64(value: number): void {
    this.#at = this.bytes.writeDoubleLE(value, this.#at)
  }

  name(text: string): void {
    const length = this.bytes.write(text, this.#at + 2)
    this.u16(length)
    this.#at += length
  }

  data(data: TensorData): void {
    if (ArrayBuffer.isView(data)) {
      this.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), this.#at)
      this.#at += data.byteLength
      return
    }
    for (const text of data) {
      const encoding = textEncoding(text)
      const length = this.bytes.write(text, this.#at + 4, encoding)
      this.u32(encoding === "utf8" ? length : length + utf16Flag)
      this.#at += length
    }
  }
}

/** Reads within bounds, and nothing but zeros beyond: `ok` tells at the end whether all was there. */
class Reader {
  readonly #bytes: Buffer
  #at = 0
  ok = true

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.ok && this.#at === this.#bytes.length
  }

  /** Where the next so many bytes start. */
  #pass(length: number): number {
    const start = this.#at
    this.#at += length
    if (this.#at > this.#bytes.length) this.ok = false
    return start
  }

  u8(): number {
    const start = this.#pass(1)
    return this.ok ? this.#bytes[start] ?? 0 : 0
  }

  u16(): number {
    const start = this.#pass(2)
    return this.ok ? this.#bytes.readUInt16LE(start) : 0
  }

  u32(): number {
    const start = this.#pass(4)
    return this.ok ? this.#bytes.readUInt32LE(start) : 0
  }

  f64(): number {
    const start = this.#pass(8)
    return this.ok ? this.#bytes.readDoubleLE(start) : 0
  }

  text(length: number, encoding: "utf8" | "utf16le"): string {
    const start = this.#pass(length)
    return this.ok ? this.#bytes.toString(encoding, start, start + length) : ""
  }

  take(length: number): Buffer {
    const start = this.#pass(length)
    return this.#bytes.subarray(start, this.ok ? start + length : start)
  }
}

/** The texts of a BYTES tensor, if its bytes hold exactly so many. */
const readTexts = (bytes: Buffer, count: number): ReadonlyArray<string> | undefined => {
  const reader = new Reader(bytes)
  const texts: Array<string> = []
  while (texts.length < count && reader.ok) {
    const length = reader.u32()
    texts.push(reader.text(length % utf16Flag, length >= utf16Flag ? "utf16le" : "utf8"))
  }
  return reader.atEnd ? texts : undefined
}

const readTensor = (reader: Reader): Tensor | undefined => {
  const datatype = datatypes[reader.u8()]
  const shape: Array<number> = []
  for (let left = reader.u8(); left > 0 && reader.ok; left--) shape.push(reader.u32())
  const bytes = reader.take(reader.u32())
  if (!reader.ok || datatype === undefined) return undefined
  const count = elementCount(shape)
  if (datatype === "BYTES") {
    const texts = readTexts(bytes, count)
    return texts && { datatype, shape, data: texts }
  }
  // No element takes less than a byte, so a count beyond the bytes is refused before anything is allocated for it.
  if (count > bytes.length) return undefined
  const data = emptyData(datatype, count)
  if (!ArrayBuffer.isView(data) || data.byteLength !== bytes.length) return undefined
  new Uint8Array(data.buffer).set(bytes)
  return { datatype, shape, data }
}

/** Covers the key, so that a value under a key that it was not stored under counts as damaged. */
const checksumOf = (key: string, bytes: Buffer): number => crc32(bytes.subarray(bodyAt), crc32(key))

/** The bytes to keep for an output under this key, and under no other. */
export const encodeItemOutput = (key: string, { cost, outputs }: ItemOutput, times: EntryTimes): Uint8Array => {
  const tensors = Object.entries(outputs)
  const length = tensors.reduce(
    (total, [name, { data, shape }]) => total + Buffer.byteLength(name) + 8 + shape.length * 4 + dataLength(data),
    headerLength
  )
  const writer = new Writer(length)
  writer.u32(magic)
  writer.u8(form)
  writer.u32(0)
  writer.f64(times.storedAt)
  writer.f64(times.freshUntil)
  writer.f64(times.keptUntil)
  writer.f64(cost)
  writer.u16(tensors.length)
  for (const [name, { data, datatype, shape }] of tensors) {
    writer.name(name)
    writer.u8(datatypes.indexOf(datatype))
    writer.u8(shape.length)
    for (const size of shape) writer.u32(size)
    writer.u32(dataLength(data))
    writer.data(data)
  }
  writer.bytes.writeUInt32LE(checksumOf(key, writer.bytes), checksumAt)
  return writer.bytes
}

/** The output that these bytes are of; undefined for any others: damaged, another key's, another program's. Never throws. */
export const decodeItemOutput = (key: string, value: Uint8Array): StoredOutput | undefined => {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const reader = new Reader(bytes)
  if (reader.u32() !== magic || reader.u8() !== form) return undefined
  const checksum = reader.u32()
  if (!reader.ok || checksum !== checksumOf(key, bytes)) return undefined
  const times = { storedAt: reader.f64(), freshUntil: reader.f64(), keptUntil: reader.f64() }
  const cost = reader.f64()
  const tensors: Array<readonly [string, Tensor]> = []
  for (let left = reader.u16(); left > 0 && reader.ok; left--) {
    const name = reader.text(reader.u16(), "utf8")
    const tensor = readTensor(reader)
    if (tensor === undefined) return undefined
    tensors.push([name, tensor])
  }
  return reader.atEnd ? { output: { outputs: Object.fromEntries(tensors), cost }, times } : undefined
}

/** The times of the entry of these bytes; undefined where they are none of ours. Damage is looked for when they are decoded. */
export const entryTimes = (value: Uint8Array): EntryTimes | undefined => {
  if (value.byteLength < headerLength) return undefined
  const view = new DataView(value.buffer, value.byteOffset, headerLength)
  if (view.getUint32(0, true) !== magic || view.getUint8(4) !== form) return undefined
  return {
    storedAt: view.getFloat64(bodyAt, true),
    freshUntil: view.getFloat64(bodyAt + 8, true),
    keptUntil: view.getFloat64(bodyAt + 16, true)
  }
}
