import { assert, describe, it } from "@effect/vitest"
import { tensorRows } from "@sluice/core/registry/TensorInput"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { Datatype, TensorMap } from "@sluice/domain/Tensor"
import { elementCount, emptyData, stackRows } from "@sluice/plugin-sdk/TensorRows"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const signature: ModelSignature = {
  inputs: [{ name: "ids", datatype: "INT32", shape: [-1, -1] }, { name: "age", datatype: "FP32", shape: [-1] }],
  outputs: [],
  batchable: true
}

const tensor = (datatype: Datatype, shape: ReadonlyArray<number>, length = elementCount(shape)) => ({
  datatype,
  shape,
  data: emptyData(datatype, length)
})

const ids = tensor("INT32", [2, 3])
const age = tensor("FP32", [2])

const refusal = (tensors: TensorMap, of = signature) => {
  const rows = tensorRows(of, tensors)
  return Result.isFailure(rows) ? rows.failure.message : "not refused"
}

describe("tensorRows", () => {
  it.each<readonly [string, TensorMap, RegExp]>([
    ["a missing input", { ids }, /^inputs\.age: .*ids, age/],
    ["an unknown input", { ids, age, size: age }, /^inputs\.size: .*ids, age/],
    ["an input whose name every object has", { ids, age, constructor: age }, /^inputs\.constructor: /],
    ["another datatype", { ids: tensor("INT64", [2, 3]), age }, /^inputs\.ids\.datatype: expected INT32, got INT64/],
    ["another rank", { ids: tensor("INT32", [6]), age }, /^inputs\.ids\.shape: expected \[-1, -1\], got \[6\]/],
    [
      "fewer elements than the shape holds",
      { ids: tensor("INT32", [2, 3], 5), age },
      /^inputs\.ids\.data: .*6 elements, got 5/
    ],
    [
      "another number of items than the other inputs have",
      { ids, age: tensor("FP32", [3]) },
      /^inputs\.age\.shape: .*3.*2/
    ],
    ["no items", { ids: tensor("INT32", [0, 3]), age: tensor("FP32", [0]) }, /^inputs\.ids\.shape: .*empty/],
    ["negative sizes", { ids: tensor("INT32", [-2, -3], 6), age }, /^inputs\.ids\.shape: .*\[-2, -3\]/],
    ["sizes that are not whole", { ids: tensor("INT32", [1.5, 2], 3), age }, /^inputs\.ids\.shape: .*\[1\.5, 2\]/]
  ])("refuses %s, naming the field", (_, tensors, sentence) => {
    assert.match(refusal(tensors), sentence)
  })

  it("refuses a size other than the signature's", () => {
    const fixed = { ...signature, inputs: [{ name: "ids", datatype: "INT32" as const, shape: [-1, 4] }] }
    assert.match(refusal({ ids }, fixed), /^inputs\.ids\.shape: expected \[-1, 4\], got \[2, 3\]/)
  })

  it("takes an input whose name every object has", () => {
    const odd = { ...signature, inputs: [{ name: "constructor", datatype: "FP32" as const, shape: [-1] }] }
    assert.match(refusal({}, odd), /^inputs\.constructor: missing/)
    assert.isTrue(Result.isSuccess(tensorRows(odd, { constructor: age })))
  })

  it("takes the inputs of a model that is not batchable as one row", () => {
    const tensors = { ids: tensor("INT32", [2, 3]), age: tensor("FP32", [5]) }
    assert.deepStrictEqual(Result.getOrThrow(tensorRows({ ...signature, batchable: false }, tensors)), [tensors])
  })

  const batch = fc.record({ rows: fc.integer({ min: 1, max: 6 }), width: fc.integer({ min: 0, max: 4 }) }).chain((
    { rows, width }
  ) =>
    fc.record({
      ids: fc.array(fc.integer(), { minLength: rows * width, maxLength: rows * width }).map((values) => ({
        datatype: "INT32" as const,
        shape: [rows, width],
        data: Int32Array.from(values)
      })),
      age: fc.array(fc.float({ noNaN: true }), { minLength: rows, maxLength: rows }).map((values) => ({
        datatype: "FP32" as const,
        shape: [rows],
        data: Float32Array.from(values)
      }))
    })
  )

  it("cuts a batch into rows that stack to it again", () => {
    fc.assert(fc.property(batch, (tensors) => {
      const rows = Result.getOrThrow(tensorRows(signature, tensors))
      assert.strictEqual(rows.length, tensors.age.shape[0])
      assert.deepStrictEqual(stackRows(rows), tensors)
    }))
  })

  it("gives as many rows as there are items or a refusal, whatever it is given", () => {
    const shape = fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double()), { maxLength: 3 })
    const anyTensor = fc.record({ shape, length: fc.nat({ max: 9 }) }).map(({ length, shape }) =>
      tensor("INT32", shape, length)
    )
    const one = { ...signature, inputs: signature.inputs.slice(0, 1) }
    fc.assert(
      fc.property(anyTensor, (ids) => {
        const rows = tensorRows(one, { ids })
        if (Result.isSuccess(rows)) assert.isTrue(rows.success.length === ids.shape[0] && rows.success.length > 0)
      }),
      { numRuns: 500 }
    )
  })
})
