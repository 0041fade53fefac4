/**
 * The onnx plugin on real files: every datatype, files that cannot be served, and a session's life.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Datatype, TensorMap, TensorSpec } from "@sluice/plugin-sdk"
import { conformance } from "@sluice/plugin-sdk/Conformance"
import { fileContext } from "@sluice/plugin-sdk/ConformanceSubject"
import { emptyData } from "@sluice/plugin-sdk/TensorRows"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import onnx from "../src/main.ts"
import { type OnnxValue, readOnnxFile } from "../src/OnnxFile.ts"
import { fixture, shipped } from "./Fixtures.ts"

const floats = (...values: ReadonlyArray<number>) => ({
  datatype: "FP32" as const,
  shape: [1, values.length],
  data: Float32Array.from(values)
})

const datatypes: Readonly<Record<string, Datatype>> = {
  bool: "BOOL",
  uint8: "UINT8",
  uint16: "UINT16",
  uint32: "UINT32",
  uint64: "UINT64",
  int8: "INT8",
  int16: "INT16",
  int32: "INT32",
  int64: "INT64",
  float16: "FP16",
  float32: "FP32",
  float64: "FP64",
  string: "BYTES"
}

/** One row of two values in each datatype; 0x3c00 and 0xc000 are 1 and -2 in FP16. */
const row = (first: number): TensorMap =>
  Object.fromEntries(
    Object.entries(datatypes).map(([name, datatype]) => {
      const data = emptyData(datatype, 2)
      if (data instanceof BigInt64Array || data instanceof BigUint64Array) data.set([BigInt(first), 2n ** 62n])
      else if (data instanceof Uint16Array && datatype === "FP16") data.set([0x3c00, 0xc000])
      else if (ArrayBuffer.isView(data)) data.set([first, 1])
      else (data as Array<string>).splice(0, 2, `text ${first} é`, "")
      return [`${name}_in`, { datatype, shape: [1, 2], data }]
    })
  )

const invalidOptions = [
  { options: { batchable: "yes" }, path: ["batchable"] },
  { options: { batchabel: true }, path: ["batchabel"] }
]

conformance("onnx with every datatype", {
  plugin: onnx,
  path: fixture("datatypes"),
  invalidOptions,
  rows: [row(0), row(1)]
})

conformance("onnx with breast-cancer", {
  plugin: onnx,
  path: shipped("breast-cancer/model.onnx"),
  invalidOptions,
  rows: [1, 2, 3].map((value) => ({ features: floats(...Array.from({ length: 30 }, (_, i) => value * i)) }))
})

conformance("onnx with a model that does not batch", {
  plugin: onnx,
  path: fixture("total"),
  invalidOptions,
  rows: [{ x: floats(1, 2) }, { x: { ...floats(1, 2, 3, 4), shape: [2, 2] } }]
})

const load = (path: string, changes: Parameters<typeof fileContext>[1] = {}) =>
  onnx.load(fileContext(path, changes), {})

describe("run", () => {
  it.effect("gives each datatype back as it came", () =>
    Effect.gen(function*() {
      const model = yield* load(fixture("datatypes"))
      const outputs = yield* model.run(row(1))
      for (const [name, datatype] of Object.entries(datatypes)) {
        const given = row(1)[`${name}_in`]!
        assert.deepStrictEqual(outputs[`${name}_out`], { datatype, shape: [1, 2], data: given.data })
      }
    }))

  it.effect("fails with the runtime's reason where a value is out of the model's range, and goes on", () =>
    Effect.gen(function*() {
      const model = yield* load(fixture("lookup"))
      const id = (value: bigint) => ({ id: { datatype: "INT64" as const, shape: [1], data: BigInt64Array.of(value) } })
      const error = yield* Effect.flip(model.run(id(7n)))
      assert.match(error.message, /^onnxruntime failed on a batch: .*out of data bounds/s)
      assert.instanceOf(error.cause, Error)
      assert.deepStrictEqual((yield* model.run(id(1n)))["row"]!.data, Float32Array.of(3, 4))
    }))

  it.live("outputs can be transferred out of a worker", () =>
    Effect.gen(function*() {
      const worker = new Worker(new URL("./TransferWorker.ts", import.meta.url), {
        workerData: { path: fixture("datatypes"), inputs: row(1) }
      })
      const messages: Array<unknown> = []
      worker.on("message", (message) => messages.push(message))
      const [code] = yield* Effect.promise(() => once(worker, "exit"))
      assert.strictEqual(code, 0)
      const [{ again, outputs }, left] = messages as [{ again: TensorMap; outputs: TensorMap }, ReadonlyArray<number>]
      assert.deepStrictEqual(outputs, again)
      assert.deepStrictEqual(left, Array.from({ length: 12 }, () => 0))
    }))

  it.effect("that is under way when its session is released settles", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const model = yield* Scope.provide(load(shipped("breast-cancer/model.onnx")), scope)
      const run = model.run({ features: { datatype: "FP32", shape: [512, 30], data: new Float32Array(512 * 30) } })
      const fiber = yield* Effect.forkChild(run, { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      const exit = yield* Fiber.await(fiber)
      assert.isFalse(Exit.hasDies(exit))
    }))
})

describe("load", () => {
  it.effect("takes the weights of old files for weights", () =>
    Effect.gen(function*() {
      const model = yield* load(fixture("lookup"))
      assert.deepStrictEqual(model.signature.inputs.map((spec) => spec.name), ["id"])
    }))

  it.effect("sees that inputs do not share a batch, unless told that they do", () =>
    Effect.gen(function*() {
      assert.isFalse((yield* load(fixture("two_batches"))).signature.batchable)
      const told = yield* onnx.load(fileContext(fixture("two_batches")), { batchable: true })
      assert.isTrue(told.signature.batchable)
    }))

  it.effect("says how a classifier with a sequence of maps is converted without", () =>
    Effect.gen(function*() {
      assert.match((yield* Effect.flip(load(fixture("zipmap")))).message, /output "y" is not a tensor.*zipmap=False/)
    }))

  it.effect("names the devices that the runtime has where it lacks one", () =>
    Effect.gen(function*() {
      const device = process.platform === "darwin" ? "dml" : "coreml"
      const error = yield* Effect.flip(load(fixture("total"), { device }))
      assert.match(error.message, new RegExp(`^device "${device}" is not in this build of onnxruntime .* has: .*cpu`))
    }))

  it.effect("says how much of a truncated file is there", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "sluice-onnx-"))),
        (folder) => Effect.promise(() => rm(folder, { recursive: true }))
      )
      const path = join(folder, "model.onnx")
      writeFileSync(path, readFileSync(shipped("breast-cancer/model.onnx")).subarray(0, 9000))
      const error = yield* Effect.flip(load(path))
      assert.match(error.message, /model\.onnx cannot be read: it ends after 9000 of at least \d+ bytes$/)
      assert.strictEqual((yield* Effect.flip(onnx.recognise!(fileContext(path).files))).message, error.message)
    }))

  it.effect("names a file that is not there", () =>
    Effect.gen(function*() {
      assert.match((yield* Effect.flip(load("/nowhere/model.onnx"))).message, /\/nowhere\/model\.onnx cannot be opened/)
    }))
})

describe("readOnnxFile", () => {
  const paths = [
    ...["datatypes", "total", "two_batches", "lookup"].map(fixture),
    ...["sentiment_v1", "sentiment_v2", "breast-cancer", "iris"].map((folder) => shipped(`${folder}/model.onnx`))
  ]

  for (const path of paths) {
    it.effect(`reads of ${path.split("/").slice(-2).join("/")} what the runtime loads`, () =>
      Effect.gen(function*() {
        const file = yield* readOnnxFile(path)
        const { signature } = yield* load(path)
        const specs = (values: ReadonlyArray<Partial<TensorSpec> | OnnxValue>) =>
          values.map(({ datatype, name, shape }) => ({ name, datatype, shape }))
        assert.deepStrictEqual(specs(file.inputs), specs(signature.inputs))
        assert.deepStrictEqual(specs(file.outputs), specs(signature.outputs))
      }))
  }
})

describe("recognise", () => {
  it.effect("takes any file that says it is ONNX, and names who made it", () =>
    Effect.gen(function*() {
      const recognise = (path: string) => onnx.recognise!(fileContext(path).files)
      assert.strictEqual(yield* recognise(fixture("total")), "an ONNX file made by make.py, served as raw tensors")
      assert.isUndefined(yield* recognise("/somewhere/model.pt"))
    }))
})
