/**
 * The promises of the plugin contract, each as an effect that fails with a `ConformanceFailure` where it is not kept.
 */
import type { Item, ItemKind } from "@sluice/domain/Item"
import { ModelSignature, type TensorSpec } from "@sluice/domain/ModelSignature"
import type { Prediction } from "@sluice/domain/Prediction"
import type { Tensor, TensorMap } from "@sluice/domain/Tensor"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Scope from "effect/Scope"
import {
  batchOf,
  type ConformanceFailure,
  type ConformanceSubject,
  decodeOptions,
  failedWith,
  open,
  openModel,
  refute,
  settle,
  succeed
} from "./ConformanceSubject.ts"
import { API_VERSION, type Codec } from "./Plugin.ts"
import { checkProbe } from "./ProbeCheck.ts"
import { signatureMismatch } from "./SignatureCheck.ts"
import { elementCount, emptyData, splitRows, stackRows } from "./TensorRows.ts"

type Check = <O, E>(subject: ConformanceSubject<O, E>) => Effect.Effect<void, ConformanceFailure>

const major = (version: string): string | undefined => version.split(".")[0]

/** The default export is what `definePlugin` makes, against this major version of the contract. */
export const checkDefinition: Check = ({ plugin }) => {
  if (typeof plugin !== "object" || plugin === null) return refute("the default export is not a plugin")
  if (typeof plugin.name !== "string" || !/^[a-z0-9][a-z0-9-]*$/.test(plugin.name)) {
    return refute("name must be lower-case letters, digits and hyphens")
  }
  if (typeof plugin.apiVersion !== "string" || major(plugin.apiVersion) !== major(API_VERSION)) {
    return refute(`apiVersion is ${String(plugin.apiVersion)}, this is the suite of ${API_VERSION}: use definePlugin`)
  }
  if (!Schema.isSchema(plugin.options)) return refute("options is not a Schema")
  return typeof plugin.load === "function" ? Effect.void : refute("load is not a function")
}

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const samePath = (a: ReadonlyArray<PropertyKey>, b: ReadonlyArray<PropertyKey>): boolean =>
  a.length === b.length && a.every((key, i) => String(key) === String(b[i]))

/** Good options decode; each bad one is refused with the path of the field at fault. */
export const checkOptions: Check = (subject) =>
  Effect.gen(function*() {
    yield* succeed("decoding good options", decodeOptions(subject, subject.options ?? {}))
    for (const { options, path } of subject.invalidOptions) {
      const shown = JSON.stringify(options)
      const exit = yield* settle("decoding bad options", decodeOptions(subject, options))
      yield* failedWith(`decoding the options ${shown}`, "SchemaError", exit)
      const error = Exit.findErrorOption(exit)
      const paths = error._tag === "None"
        ? []
        : formatIssues(error.value.issue).issues.map((issue) =>
          (issue.path ?? []).map((part) => (typeof part === "object" ? part.key : part))
        )
      if (!paths.some((found) => samePath(found, path))) {
        yield* refute(`the options ${shown} were refused at ${JSON.stringify(paths)}, expected ${JSON.stringify(path)}`)
      }
    }
  })

/** Outputs have the names, datatypes and shapes that the signature says; a batch's, the inputs' first dimension. */
export const checkSignature: Check = (subject) =>
  Effect.scoped(Effect.gen(function*() {
    const opened = yield* open(subject)
    const { codec, model, rows } = opened
    const { signature } = model
    if (!Schema.is(ModelSignature)(signature)) return yield* refute(`not a signature: ${JSON.stringify(signature)}`)
    const batches = signature.batchable ? [...rows, stackRows(batchOf(opened), codec?.padding)] : rows
    for (const inputs of [...batches, ...(model.warmup ?? [])]) {
      const unfit = signatureMismatch("input", signature.inputs, inputs)
      if (unfit !== undefined) return yield* refute(`encoded or warm-up tensors are not the signature's: ${unfit}`)
      const outputs = yield* succeed("run", model.run(inputs))
      const wrong = signatureMismatch("output", signature.outputs, outputs)
      if (wrong !== undefined) return yield* refute(wrong)
      if (!signature.batchable) continue
      const count = Object.values(inputs)[0]?.shape[0]
      const uneven = Object.entries(outputs).find(([, tensor]) => tensor.shape[0] !== count)
      if (uneven !== undefined) {
        return yield* refute(`output "${uneven[0]}" has ${uneven[1].shape[0]} rows for a batch of ${count}`)
      }
    }
  }))

const distance = (a: Tensor, b: Tensor): number => {
  if (a.data.length !== b.data.length) return Infinity
  let most = 0
  for (let i = 0; i < a.data.length; i++) {
    const x = a.data[i]!
    const y = b.data[i]!
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue
    most = Math.max(most, typeof x === "number" && typeof y === "number" ? Math.abs(x - y) : Infinity)
  }
  return Number.isNaN(most) ? Infinity : most
}

/** FP16 is compared as numbers, not as bits. */
const comparable = (tensor: Tensor): Tensor =>
  tensor.data instanceof Uint16Array && tensor.datatype === "FP16"
    ? {
      ...tensor,
      data: Float32Array.from(new Float16Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.length))
    }
    : tensor

const differing = (a: TensorMap, b: TensorMap, tolerance: number): string | undefined =>
  Object.keys(a).find((name) => {
    const other = b[name]
    return other === undefined || !(distance(comparable(a[name]!), comparable(other)) <= tolerance)
  })

/** A row's answer is the same alone and in a batch, in its place. */
export const checkBatch: Check = (subject) =>
  Effect.scoped(Effect.gen(function*() {
    const opened = yield* open(subject)
    const { codec, model } = opened
    const rows = batchOf(opened)
    if (!model.signature.batchable || subject.batchInvariant === false) return
    if (rows.length < 2) return yield* refute("the subject needs two items or rows that fit into one batch")
    const together = splitRows(yield* succeed("run", model.run(stackRows(rows, codec?.padding))), rows.length)
    for (const [i, row] of rows.entries()) {
      const alone = yield* succeed("run", model.run(row))
      const output = differing(alone, together[i]!, subject.tolerance ?? 1e-4)
      if (output !== undefined) return yield* refute(`row ${i}'s output "${output}" is another in a batch than alone`)
    }
  }))

const strangers: Readonly<Record<ItemKind, Item>> = {
  Text: { _tag: "Text", text: "text" },
  Tokens: { _tag: "Tokens", ids: [1, 2] },
  Features: { _tag: "Features", values: [1, 2, 3] },
  Record: { _tag: "Record", fields: { feature: 1 } }
}

const refuses = (codec: Codec, item: Item) =>
  Effect.flatMap(
    settle("encode", Effect.suspend(() => Effect.fromResult(codec.encode(item)))),
    (exit) => failedWith(`encode of ${JSON.stringify(item)}`, "InvalidItem", exit)
  )

const isPrediction = (value: Prediction): boolean =>
  (value.prediction !== undefined || value.embedding !== undefined || value.outputs !== undefined) &&
  Object.values(value.probabilities ?? {}).every(Number.isFinite) &&
  (value.embedding === undefined || Array.from(value.embedding).every(Number.isFinite))

/** Good items encode to one row, their outputs decode to a prediction; other kinds and bad items are `InvalidItem`s. */
export const checkCodec: Check = (subject) =>
  Effect.scoped(Effect.gen(function*() {
    const { codec, model, rows } = yield* open(subject)
    if (codec === undefined) return
    for (const row of rows) {
      if (Object.values(row).some((tensor) => model.signature.batchable && tensor.shape[0] !== 1)) {
        return yield* refute("encode gave tensors whose first dimension is not 1")
      }
      const cost = codec.cost?.(row) ?? 1
      if (!(cost > 0 && Number.isFinite(cost))) return yield* refute(`cost of an item is ${cost}, expected above 0`)
      const outputs = yield* succeed("run", model.run(row))
      const prediction = yield* succeed("decode", Effect.sync(() => codec.decode(outputs)))
      if (!isPrediction(prediction)) {
        return yield* refute(`decode gave ${JSON.stringify(prediction)}, which is no prediction`)
      }
    }
    const kinds = Object.keys(strangers) as ReadonlyArray<ItemKind>
    const unaccepted = kinds.filter((kind) => !codec.accepts.includes(kind)).map((kind) => strangers[kind])
    for (const item of [...unaccepted, ...(subject.invalidItems ?? [])]) yield* refuses(codec, item)
  }))

/** `run` after the scope has closed fails with a `PluginError`. */
export const checkRelease: Check = (subject) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const { model, rows } = yield* Scope.provide(open(subject), scope)
    yield* succeed("run", model.run(rows[0]!))
    yield* succeed("release", Scope.close(scope, Exit.void))
    const exit = yield* settle("run after release", model.run(rows[0]!))
    yield* failedWith("run after release", "PluginError", exit)
  })

/** An interrupted `run` settles, and the model answers as before. */
export const checkCancellation: Check = (subject) =>
  Effect.scoped(Effect.gen(function*() {
    const { model, rows } = yield* open(subject)
    const before = yield* succeed("run", model.run(rows[0]!))
    for (let attempt = 0; attempt < 3; attempt++) {
      yield* settle("an interrupted run", model.run(rows.at(-1)!), (fiber) => fiber.interruptUnsafe())
    }
    const after = yield* succeed("run after an interrupted one", model.run(rows[0]!))
    const output = differing(before, after, subject.tolerance ?? 1e-4)
    if (output !== undefined) yield* refute(`output "${output}" is another after an interrupted run`)
  }))

/** A tensor with one more column than the signature's, where the signature fixes their number. */
const widened = (spec: TensorSpec | undefined, tensor: Tensor): Tensor | undefined => {
  const fixed = spec?.shape.findIndex((size, i) => i > 0 && size > 0) ?? -1
  if (fixed === -1) return undefined
  const shape = tensor.shape.map((size, i) => (i === fixed ? size + 1 : size))
  return { datatype: tensor.datatype, shape, data: emptyData(tensor.datatype, elementCount(shape)) }
}

const wrongInputs = (signature: ModelSignature, row: TensorMap): ReadonlyArray<readonly [string, TensorMap]> => {
  const [name, tensor] = Object.entries(row)[0]!
  const { [name]: _, ...rest } = row
  const datatype = tensor.datatype === "FP32" ? "INT64" : "FP32"
  const retyped: Tensor = { datatype, shape: tensor.shape, data: emptyData(datatype, tensor.data.length) }
  const wide = widened(signature.inputs.find((spec) => spec.name === name), tensor)
  return [
    ...(wide === undefined ? [] : [["a column too many", { ...rest, [name]: wide }] as const]),
    ["an input missing", rest],
    ["an input misnamed", { ...rest, [`${name}_`]: tensor }],
    ["an input too many", { ...row, [`${name}_`]: tensor }],
    [`${datatype} for ${tensor.datatype}`, { ...rest, [name]: retyped }]
  ]
}

/** Inputs of wrong names, datatypes or widths fail with a `PluginError`, and the model answers the next batch. */
export const checkInputs: Check = (subject) =>
  Effect.scoped(Effect.gen(function*() {
    const { model, rows } = yield* open(subject)
    for (const [what, inputs] of wrongInputs(model.signature, rows[0]!)) {
      const exit = yield* settle(`run with ${what}`, model.run(inputs))
      yield* failedWith(`run with ${what}`, "PluginError", exit)
    }
    yield* succeed("run after bad inputs", model.run(rows[0]!))
  }))

const buffers = (tensors: TensorMap): ReadonlyArray<ArrayBuffer> =>
  Object.values(tensors).flatMap(({ data }) => (ArrayBuffer.isView(data) ? [data.buffer] : []))

/** Inputs come out as they went in; outputs can be transferred away, and neither inputs nor later runs feel it. */
export const checkOwnership: Check = (subject) =>
  Effect.scoped(Effect.gen(function*() {
    const { model, rows } = yield* open(subject)
    const inputs = rows[0]!
    const given = structuredClone(inputs)
    const first = yield* succeed("run", model.run(inputs))
    const copy = structuredClone(first)
    const second = yield* succeed("run", model.run(rows.at(-1)!))
    if (differing(copy, first, 0) !== undefined) {
      return yield* refute("a later run changed the outputs of an earlier one")
    }
    const owned = buffers(first)
    if (new Set([...owned, ...buffers(second)]).size < owned.length + buffers(second).length) {
      return yield* refute("two outputs share one buffer")
    }
    yield* succeed("transferring the outputs", Effect.sync(() => structuredClone(first, { transfer: [...owned] })))
    if (differing(given, inputs, 0) !== undefined) return yield* refute("run changed, or kept, its inputs")
    const again = yield* succeed("run after a transfer", model.run(inputs))
    if (differing(copy, again, subject.tolerance ?? 1e-4) !== undefined) {
      return yield* refute("the model answers otherwise after its outputs were transferred")
    }
  }))

/** Loading twice gives two models that live apart. */
export const checkInstances: Check = (subject) =>
  Effect.scoped(Effect.gen(function*() {
    const scope = yield* Scope.make()
    yield* Scope.provide(openModel(subject), scope)
    const { model, rows } = yield* open(subject)
    yield* succeed("release of the other instance", Scope.close(scope, Exit.void))
    yield* succeed("run after another instance's release", model.run(rows[0]!))
  }))

/** All checks, by the sentence that each proves. */
export const conformanceChecks: ReadonlyArray<readonly [string, Check]> = [
  ["is made by definePlugin for this API version", checkDefinition],
  ["refuses bad options with the field's path", checkOptions],
  ["returns what its signature says", checkSignature],
  ["answers a batch as it answers its rows alone", checkBatch],
  ["gives rows of the cost that is asked for, if it gives any", checkProbe],
  ["encodes and decodes items, and refuses what it cannot take", checkCodec],
  ["fails cleanly after release", checkRelease],
  ["survives interruption", checkCancellation],
  ["fails cleanly on wrong inputs", checkInputs],
  ["gives its outputs away and leaves its inputs alone", checkOwnership],
  ["keeps instances apart", checkInstances]
]
