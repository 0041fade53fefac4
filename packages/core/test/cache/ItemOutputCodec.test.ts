import { assert, describe, it } from "@effect/vitest"
import { Datatype, type Tensor } from "@sluice/domain/Tensor"
import { elementCount, emptyData } from "@sluice/plugin-sdk/TensorRows"
import * as fc from "fast-check"
import { crc32 } from "node:zlib"
import * as Codec from "../../src/cache/ItemOutputCodec.ts"
import type { ItemOutput } from "../../src/ItemOutput.ts"

const key = "sluice:1:cache:m:v1:x"
const times = { storedAt: 1_000, freshUntil: 2_000.5, keptUntil: 3_000 }
const encodeItemOutput = (output: ItemOutput) => Codec.encodeItemOutput(key, output, times)
const decodeItemOutput = (bytes: Uint8Array) => Codec.decodeItemOutput(key, bytes)?.output

/** Random elements of a datatype: any bits for numbers, any code units for texts. */
const anyData = (datatype: Datatype, count: number): fc.Arbitrary<Tensor["data"]> => {
  const zeros = emptyData(datatype, count)
  if (!ArrayBuffer.isView(zeros)) {
    return fc.array(fc.oneof(fc.string({ unit: "binary" }), fc.constant("\ud800x")), {
      minLength: count,
      maxLength: count
    })
  }
  return fc.uint8Array({ minLength: zeros.byteLength, maxLength: zeros.byteLength }).map((bytes) => {
    const data = emptyData(datatype, count)
    if (ArrayBuffer.isView(data)) new Uint8Array(data.buffer).set(bytes)
    return data
  })
}

const anyTensor: fc.Arbitrary<Tensor> = fc.record({
  datatype: fc.constantFrom(...Datatype.literals),
  shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 })
}).chain(({ datatype, shape }) => anyData(datatype, elementCount(shape)).map((data) => ({ datatype, shape, data })))

const anyOutput: fc.Arbitrary<ItemOutput> = fc.record({
  outputs: fc.dictionary(fc.string({ maxLength: 8 }), anyTensor, { maxKeys: 4, noNullPrototype: true }),
  cost: fc.double({ noNaN: true, min: 0 })
})

/** NaN is equal to itself, but two of them may have other bits: floats are compared by their bytes. */
const comparable = ({ cost, outputs }: ItemOutput) => ({
  cost,
  outputs: Object.entries(outputs).map(([name, { data, datatype, shape }]) => ({
    name,
    datatype,
    shape,
    kind: data.constructor.name,
    data: ArrayBuffer.isView(data) ? Array.from(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) : data
  }))
})

const embedding: ItemOutput = {
  cost: 7,
  outputs: {
    embedding: { datatype: "FP32", shape: [1, 3], data: Float32Array.of(0.5, -0, 3) },
    label: { datatype: "BYTES", shape: [1], data: ["positive"] }
  }
}

describe("ItemOutputCodec", () => {
  it("gives back what it was given, in every datatype", () => {
    fc.assert(
      fc.property(anyOutput, (output) => {
        const decoded = decodeItemOutput(encodeItemOutput(output))
        assert.deepStrictEqual(decoded && comparable(decoded), comparable(output))
      }),
      { seed: 11, numRuns: 300 }
    )
  })

  it("reads bytes that lie anywhere in a buffer, and keeps none of them", () => {
    const bytes = encodeItemOutput(embedding)
    const around = new Uint8Array(bytes.length + 3)
    around.set(bytes, 3)
    const decoded = decodeItemOutput(around.subarray(3))
    around.fill(0)
    assert.deepStrictEqual(decoded && comparable(decoded), comparable(embedding))
  })

  it("takes 4 bytes a float and little beside", () => {
    const output: ItemOutput = {
      cost: 1,
      outputs: { embedding: { datatype: "FP32", shape: [1, 384], data: new Float32Array(384) } }
    }
    assert.isAtMost(encodeItemOutput(output).length, 384 * 4 + 96)
  })

  it("says when an entry was stored and until when it is good, decoded or not", () => {
    const bytes = encodeItemOutput(embedding)
    assert.deepStrictEqual(Codec.decodeItemOutput(key, bytes)?.times, times)
    const around = new Uint8Array(bytes.length + 3)
    around.set(bytes, 3)
    assert.deepStrictEqual(Codec.entryTimes(around.subarray(3)), times)
    assert.isUndefined(Codec.entryTimes(bytes.subarray(0, 30)))
    assert.isUndefined(Codec.entryTimes(new Uint8Array(100)))
  })

  it("takes an entry of another key for nothing", () => {
    const bytes = encodeItemOutput(embedding)
    fc.assert(
      fc.property(fc.string(), (other) => {
        assert.isUndefined(Codec.decodeItemOutput(other, bytes))
        assert.isUndefined(Codec.decodeItemOutput(`${key}${other}x`, bytes))
      }),
      { seed: 19, numRuns: 500 }
    )
  })

  it("takes an entry of the form before for nothing", () => {
    const bytes = Uint8Array.from(encodeItemOutput(embedding))
    bytes[4] = 2
    assert.isUndefined(decodeItemOutput(bytes))
    assert.isUndefined(Codec.entryTimes(bytes))
  })

  it("takes every truncation, and anything appended, for nothing", () => {
    const bytes = encodeItemOutput(embedding)
    for (let length = 0; length < bytes.length; length++) {
      assert.isUndefined(decodeItemOutput(bytes.subarray(0, length)), `the first ${length} bytes`)
    }
    assert.isUndefined(decodeItemOutput(Uint8Array.from([...bytes, 0])))
  })

  it("takes every flipped bit for nothing", () => {
    const bytes = encodeItemOutput(embedding)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Uint8Array.from(bytes)
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.isUndefined(decodeItemOutput(damaged), `bit ${bit}`)
    }
  })

  it("never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.isUndefined(decodeItemOutput(bytes))
      }),
      { seed: 13, numRuns: 2_000 }
    )
  })

  it("never throws on a body that contradicts itself under a good checksum", () => {
    const header = encodeItemOutput(embedding).subarray(0, 9)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (body, oneTensor) => {
        // With one tensor announced, what follows is read as its name, datatype, shape and data.
        const start = oneTensor ? [...new Uint8Array(24), 0, 0, 0, 0, 0, 0, 240, 63, 1, 0, 1, 0, 120] : []
        const bytes = Buffer.from([...header, ...start, ...body])
        bytes.writeUInt32LE(crc32(bytes.subarray(9), crc32(key)), 5)
        const decoded = decodeItemOutput(bytes)
        for (const { data, shape } of Object.values(decoded?.outputs ?? {})) {
          assert.strictEqual(data.length, elementCount(shape))
        }
      }),
      { seed: 17, numRuns: 5_000 }
    )
  })

  /** The bytes with their checksum made good again. */
  const sealed = (bytes: Uint8Array) => {
    const copy = Buffer.from(bytes)
    copy.writeUInt32LE(crc32(copy.subarray(9), crc32(key)), 5)
    return copy
  }

  it("takes what goes on after its end for nothing, even under a good checksum", () => {
    const bytes = encodeItemOutput(embedding)
    assert.isDefined(decodeItemOutput(sealed(bytes)))
    assert.isUndefined(decodeItemOutput(sealed(Uint8Array.from([...bytes, 0]))))
  })

  it("allocates nothing for a shape that its data does not have", () => {
    const tensors: ReadonlyArray<Tensor> = [
      { datatype: "BYTES", shape: [1, 1], data: ["abcd"] },
      { datatype: "FP64", shape: [1, 1], data: Float64Array.of(1) }
    ]
    for (const tensor of tensors) {
      const bytes = encodeItemOutput({ cost: 1, outputs: { x: tensor } })
      // The shape stands before the length of the data and its 8 bytes.
      const shapeAt = bytes.length - 8 - 4 - 8
      const huge = Buffer.from(bytes)
      huge.fill(0xff, shapeAt, shapeAt + 8)
      assert.isUndefined(decodeItemOutput(sealed(huge)), tensor.datatype)
    }
  })
})
