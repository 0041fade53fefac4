/**
 * A growing buffer for the canonical form of a value: two values have the same bytes exactly when they are the same.
 * Whatever has no fixed length is preceded by its length.
 */

const initialCapacity = 4096
/** A buffer grown beyond this by one large item is not kept for the small ones after it. */
const keptCapacity = 1 << 20
const shortText = 32
const utf8 = 8
const utf16 = 16

export class CanonicalBytes {
  #buffer = Buffer.allocUnsafe(initialCapacity)
  #length = 0

  reset(): void {
    if (this.#buffer.length > keptCapacity) this.#buffer = Buffer.allocUnsafe(initialCapacity)
    this.#length = 0
  }

  /** One ASCII character that says what follows. */
  tag(character: string): void {
    this.#reserve(1)
    this.#buffer[this.#length++] = character.charCodeAt(0)
  }

  count(value: number): void {
    this.#reserve(4)
    this.#length = this.#buffer.writeUInt32LE(value, this.#length)
  }

  /** All 64 bits, so that 0 and -0 differ. */
  float(value: number): void {
    this.#reserve(8)
    this.#length = this.#buffer.writeDoubleLE(value, this.#length)
  }

  /** Lone surrogates have no UTF-8 and would all become one character, so such a text is kept as it is in memory. */
  text(value: string): void {
    // No UTF-16 code unit takes more than 3 bytes of UTF-8.
    this.#reserve(5 + value.length * 3)
    const start = this.#length + 5
    let encoding = utf8
    let bytes = value.length
    if (!this.#writeShortAscii(value, start)) {
      encoding = value.isWellFormed() ? utf8 : utf16
      bytes = this.#buffer.write(value, start, encoding === utf8 ? "utf8" : "utf16le")
    }
    this.#buffer[this.#length] = encoding
    this.#buffer.writeUInt32LE(bytes, this.#length + 1)
    this.#length = start + bytes
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.byteLength)
    this.#buffer.set(value, this.#length)
    this.#length += value.byteLength
  }

  /** What was written since the last reset; good until the next write. */
  written(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  /** Names of features are short: written here they take a third of what a call out of JavaScript takes. */
  #writeShortAscii(value: string, start: number): boolean {
    if (value.length > shortText) return false
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index)
      if (unit > 0x7f) return false
      this.#buffer[start + index] = unit
    }
    return true
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }
}
