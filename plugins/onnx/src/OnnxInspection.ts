/**
 * What an ONNX file is made of: its operators and the numbers in its weights, counted without reading the weights.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
import type { FileReport, PluginError, Precision } from "@sluice/plugin-sdk"
import type * as Effect from "effect/Effect"
import { parseOnnx, readOnnxBy } from "./OnnxFile.ts"
import { type ByteSource, type Field, MalformedFile, ProtobufReader } from "./ProtobufReader.ts"

/** `TensorProto.DataType`; a number past these is shown as it stands. */
const dataTypes: ReadonlyArray<string> = [
  "undefined",
  "float32",
  "uint8",
  "int8",
  "uint16",
  "int16",
  "int32",
  "int64",
  "string",
  "bool",
  "float16",
  "float64",
  "uint32",
  "uint64",
  "complex64",
  "complex128",
  "bfloat16",
  "float8e4m3fn",
  "float8e4m3fnuz",
  "float8e5m2",
  "float8e5m2fnuz",
  "uint4",
  "int4",
  "float4e2m1"
]

/** What a hostile file may make us do: real ones have some ten thousand nodes, a few graphs deep. */
const limits = { parts: 10_000_000, depth: 32, operators: 10_000, nameBytes: 4096, dimensions: 64, files: 1000 }

const quantisedOperator =
  /^(com\.microsoft\.)?(QLinear\w+|QGemm|QAttention|QEmbedLayerNormalization|QOrdered\w+|\w+Integer|\w+IntegerToFloat|DynamicQuantize\w+|QuantizeLinear|DequantizeLinear|MatMulNBits)$/

interface Counts {
  readonly operators: Map<string, number>
  readonly weights: Map<string, number>
  readonly externalFiles: Set<string>
}

/** Walks a file's graphs, and counts. */
class GraphCounter {
  readonly counts: Counts = { operators: new Map(), weights: new Map(), externalFiles: new Set() }
  private readonly reader: ProtobufReader
  private parts = 0

  constructor(reader: ProtobufReader) {
    this.reader = reader
  }

  private *fields(message: Field): Generator<Field> {
    for (const field of this.reader.fields(message.start, message.end)) {
      if (++this.parts > limits.parts) throw new MalformedFile(`it has more than ${limits.parts} parts`)
      yield field
    }
  }

  private name(field: Field): string {
    return this.reader.text(field, limits.nameBytes)
  }

  graph(graph: Field, depth: number): void {
    if (depth > limits.depth) throw new MalformedFile(`its graphs are nested more than ${limits.depth} deep`)
    for (const field of this.fields(graph)) {
      if (field.number === 1) this.node(field, depth)
      else if (field.number === 5) this.tensor(field)
      // A sparse tensor's values
      else if (field.number === 15) {
        for (const part of this.fields(field)) {
          if (part.number === 1) this.tensor(part)
          else if (part.number === 2) this.externals(part)
        }
      }
    }
  }

  /** A function of the model: its nodes are those of a graph without weights. */
  functionBody(body: Field): void {
    for (const field of this.fields(body)) if (field.number === 7) this.node(field, 1)
  }

  private node(node: Field, depth: number): void {
    let operator = ""
    let domain = ""
    for (const field of this.fields(node)) {
      if (field.number === 4) operator = this.name(field)
      else if (field.number === 7) domain = this.name(field)
      else if (field.number === 5) {
        for (const part of this.fields(field)) {
          if (part.number === 6 || part.number === 11) this.graph(part, depth + 1)
          // Constants, which may lie elsewhere as weights do
          else if (part.number === 5 || part.number === 10) this.externals(part)
        }
      }
    }
    const { operators } = this.counts
    const name = domain === "" || domain === "ai.onnx" ? operator : `${domain}.${operator}`
    if (!operators.has(name) && operators.size >= limits.operators) {
      throw new MalformedFile(`it has more than ${limits.operators} operators`)
    }
    operators.set(name, (operators.get(name) ?? 0) + 1)
  }

  private tensor(tensor: Field): void {
    let type = 0
    let dimensions = 0
    let count = 1
    const size = (value: number) => {
      if (value < 0 || ++dimensions > limits.dimensions) throw new MalformedFile("it has a weight of no shape")
      count *= value
    }
    for (const field of this.fields(tensor)) {
      if (field.number === 1) this.sizes(field, size)
      else if (field.number === 2) type = field.varint
      else if (field.number === 13) this.external(field)
    }
    if (!Number.isSafeInteger(count)) throw new MalformedFile("it has a weight that no machine could hold")
    const name = dataTypes[type] ?? "unknown"
    this.counts.weights.set(name, (this.counts.weights.get(name) ?? 0) + count)
  }

  /** Written one by one, or packed. */
  private sizes(field: Field, each: (value: number) => void): void {
    if (!field.packed) return each(field.varint)
    for (const value of this.reader.varints(field)) each(value)
  }

  private externals(tensor: Field): void {
    if (!tensor.packed) return
    for (const field of this.fields(tensor)) if (field.number === 13) this.external(field)
  }

  private external(entry: Field): void {
    let key = ""
    let value = ""
    for (const field of this.fields(entry)) {
      if (field.number === 1) key = this.name(field)
      else if (field.number === 2) value = this.name(field)
    }
    const { externalFiles } = this.counts
    if (key !== "location") return
    externalFiles.add(value)
    if (externalFiles.size > limits.files) {
      throw new MalformedFile(`it keeps weights in more than ${limits.files} files`)
    }
  }
}

const sum = (weights: ReadonlyMap<string, number>, types: ReadonlyArray<string>): number =>
  types.reduce((total, type) => total + (weights.get(type) ?? 0), 0)

/**
 * What most of the weights are. Quantised models keep scales, biases and often embeddings in floats: with quantised
 * operators, a quarter of the numbers in 8 bits or fewer makes an int8 model.
 */
export const precisionOf = (weights: ReadonlyMap<string, number>, quantised: boolean): Precision => {
  const small = sum(weights, ["int8", "uint8", "int4", "uint4"])
  const half = sum(weights, ["float16", "bfloat16"])
  const full = sum(weights, ["float32", "float64"])
  if (quantised && small * 3 >= half + full) return "int8"
  return half > full ? "fp16" : "fp32"
}

const byCount = (counts: ReadonlyMap<string, number>): Readonly<Record<string, number>> =>
  Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)))

/** Throws `MalformedFile`. */
export const inspectOnnx = (source: ByteSource): FileReport => {
  const header = parseOnnx(source)
  const reader = new ProtobufReader(source)
  const counter = new GraphCounter(reader)
  for (const field of reader.fields(0, source.size)) {
    if (field.number === 7) counter.graph(field, 0)
    else if (field.number === 25) counter.functionBody(field)
  }
  const { externalFiles, operators, weights } = counter.counts
  const quantised = [...operators.keys()].filter((name) => quantisedOperator.test(name)).toSorted()
  return {
    format: "ONNX",
    irVersion: header.irVersion,
    producer: [header.producer, header.producerVersion].filter((text) => text !== "").join(" "),
    sizeBytes: source.size,
    opsets: header.opsets,
    inputs: header.inputs,
    outputs: header.outputs,
    operators: byCount(operators),
    quantised,
    precision: precisionOf(weights, quantised.length > 0),
    parameters: sum(weights, [...weights.keys()]),
    weights: byCount(weights),
    externalFiles: [...externalFiles].toSorted()
  }
}

/** Inspects the ONNX file at `path`; fails with what is wrong with the file. */
export const inspectOnnxFile = (path: string): Effect.Effect<FileReport, PluginError> => readOnnxBy(path, inspectOnnx)
