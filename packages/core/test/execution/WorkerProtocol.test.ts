import { assert, describe, it } from "@effect/vitest"
import { toTransferable } from "@sluice/core/execution/WorkerProtocol"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as fc from "fast-check"

const floats = (data: Float32Array<ArrayBuffer>) => ({ datatype: "FP32" as const, shape: [data.length], data })

const values = (tensors: TensorMap) =>
  Object.entries(tensors).map(([name, { data }]) => [name, Array.from<unknown>(data)])

/** As the other side gets it. */
const sent = ({ buffers, tensors }: ReturnType<typeof toTransferable>): TensorMap =>
  structuredClone(tensors, { transfer: [...buffers] })

describe("toTransferable", () => {
  it("moves an array that has its buffer for itself", () => {
    const data = Float32Array.of(1, 2, 3)
    const { buffers, tensors } = toTransferable({ x: floats(data) })
    assert.deepStrictEqual(buffers, [data.buffer])
    assert.strictEqual(tensors["x"]?.data, data)
  })

  it("copies a view, so that its neighbours stay where they are", () => {
    const whole = Float32Array.of(1, 2, 3, 4)
    const received = sent(toTransferable({ x: floats(whole.subarray(1, 3)) }))
    assert.deepStrictEqual(values(received), [["x", [2, 3]]])
    assert.deepStrictEqual(Array.from(whole), [1, 2, 3, 4])
    assert.strictEqual(received["x"]?.data.length, 2)
  })

  it("sends a buffer that two tensors share to both", () => {
    const data = Float32Array.of(1, 2)
    const received = sent(toTransferable({ a: floats(data), b: floats(data), c: floats(data.subarray(1)) }))
    assert.deepStrictEqual(values(received), [["a", [1, 2]], ["b", [1, 2]], ["c", [2]]])
  })

  it("sends texts, and lists no buffer for them", () => {
    const transferable = toTransferable({ t: { datatype: "BYTES", shape: [2], data: ["a", "ß"] } })
    assert.deepStrictEqual(transferable.buffers, [])
    assert.deepStrictEqual(values(sent(transferable)), [["t", ["a", "ß"]]])
  })

  it("sends every element, however the arrays lie in their buffers", () => {
    const view = fc.record({ buffer: fc.nat({ max: 2 }), start: fc.nat({ max: 6 }), length: fc.nat({ max: 6 }) })
    fc.assert(fc.property(fc.array(view, { maxLength: 6 }), (views) => {
      const buffers = [0, 1, 2].map((of) => Float32Array.from({ length: 6 }, (_, i) => of * 10 + i))
      const tensors = Object.fromEntries(
        views.map(({ buffer, length, start }, i) => [`t${i}`, floats(buffers[buffer]!.subarray(start, start + length))])
      )
      const expected = values(tensors)
      assert.deepStrictEqual(values(sent(toTransferable(tensors))), expected)
    }))
  })
})
