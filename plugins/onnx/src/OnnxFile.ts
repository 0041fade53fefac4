/**
 * What an ONNX file says of itself, read without loading it: milliseconds, whatever its size.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
import { type Datatype, PluginError } from "@sluice/plugin-sdk"
import * as Effect from "effect/Effect"
import { closeSync, fstatSync, openSync } from "node:fs"
import { elementTypes } from "./Datatypes.ts"
import { type ByteSource, type Field, fileSource, MalformedFile, ProtobufReader } from "./ProtobufReader.ts"

/** An input or output. `datatype` is undefined for one that is no tensor, or of a type without an OIP name. */
export interface OnnxValue {
  readonly name: string
  readonly kind: "tensor" | "sequence" | "map" | "optional" | "sparse" | "unknown"
  readonly datatype: Datatype | undefined
  /** -1 where a dimension may vary; undefined where the file does not say. */
  readonly shape: ReadonlyArray<number> | undefined
}

export interface OnnxFile {
  readonly irVersion: number
  readonly producer: string
  readonly producerVersion: string
  /** Version by operator domain; the standard operators' is "". */
  readonly opsets: Readonly<Record<string, number>>
  readonly inputs: ReadonlyArray<OnnxValue>
  readonly outputs: ReadonlyArray<OnnxValue>
  /** The classes of a classifier of the ONNX-ML operators, in the order of its scores; undefined if there is none. */
  readonly classes: ReadonlyArray<string | number> | undefined
  readonly metadata: Readonly<Record<string, string>>
}

type Graph = Pick<OnnxFile, "inputs" | "outputs" | "classes">

const typeKinds: Readonly<Record<number, OnnxValue["kind"]>> = {
  1: "tensor",
  4: "sequence",
  5: "map",
  8: "sparse",
  9: "optional"
}

const readShape = (reader: ProtobufReader, shape: Field): ReadonlyArray<number> => {
  const sizes: Array<number> = []
  for (const dimension of reader.fields(shape.start, shape.end)) {
    if (dimension.number !== 1) continue
    let size = -1
    for (const field of reader.fields(dimension.start, dimension.end)) if (field.number === 1) size = field.varint
    sizes.push(size)
  }
  return sizes
}

const readType = (reader: ProtobufReader, type: Field): Omit<OnnxValue, "name"> => {
  for (const variant of reader.fields(type.start, type.end)) {
    const kind = typeKinds[variant.number]
    if (kind === undefined) continue
    let datatype: Datatype | undefined
    let shape: ReadonlyArray<number> | undefined
    if (kind === "tensor") {
      for (const field of reader.fields(variant.start, variant.end)) {
        if (field.number === 1) datatype = elementTypes[field.varint]
        else if (field.number === 2) shape = readShape(reader, field)
      }
    }
    return { kind, datatype, shape }
  }
  return { kind: "unknown", datatype: undefined, shape: undefined }
}

const readValue = (reader: ProtobufReader, value: Field): OnnxValue => {
  let name = ""
  let type: Omit<OnnxValue, "name"> = { kind: "unknown", datatype: undefined, shape: undefined }
  for (const field of reader.fields(value.start, value.end)) {
    if (field.number === 1) name = reader.text(field)
    else if (field.number === 2) type = readType(reader, field)
  }
  return { name, ...type }
}

const textOf = (reader: ProtobufReader, message: Field, number: number): string => {
  for (const field of reader.fields(message.start, message.end)) if (field.number === number) return reader.text(field)
  return ""
}

/** Operators name their classes in one of these attributes, of text or of whole numbers. */
const classAttributes = ["classlabels_strings", "classlabels_ints", "classlabels_int64s"]
const classAttributeLengths = new Set(classAttributes.map((name) => name.length))

const readClasses = (reader: ProtobufReader, attribute: Field): ReadonlyArray<string | number> | undefined => {
  const classes: Array<string | number> = []
  for (const field of reader.fields(attribute.start, attribute.end)) {
    if (field.number === 1) {
      // Most attributes are told apart without reading their names
      const candidate = classAttributeLengths.has(field.end - field.start)
      if (!candidate || !classAttributes.includes(reader.text(field))) return undefined
    } else if (field.number === 8) classes.push(field.varint)
    else if (field.number === 9) classes.push(reader.text(field))
  }
  return classes.length === 0 ? undefined : classes
}

const readNode = (reader: ProtobufReader, node: Field): ReadonlyArray<string | number> | undefined => {
  let classes: ReadonlyArray<string | number> | undefined
  for (const field of reader.fields(node.start, node.end)) {
    if (field.number === 5) classes = readClasses(reader, field) ?? classes
  }
  return classes
}

const readGraph = (reader: ProtobufReader, graph: Field): Graph => {
  let classes: ReadonlyArray<string | number> | undefined
  const inputs: Array<OnnxValue> = []
  const outputs: Array<OnnxValue> = []
  const initializers = new Set<string>()
  for (const field of reader.fields(graph.start, graph.end)) {
    if (field.number === 1) classes = readNode(reader, field) ?? classes
    else if (field.number === 5) initializers.add(textOf(reader, field, 8))
    else if (field.number === 11) inputs.push(readValue(reader, field))
    else if (field.number === 12) outputs.push(readValue(reader, field))
  }
  // Files of IR version 3 and older list their weights among the inputs
  return { inputs: inputs.filter((input) => !initializers.has(input.name)), outputs, classes }
}

/** Reads a model's header. Throws `MalformedFile`. */
export const parseOnnx = (source: ByteSource): OnnxFile => {
  if (source.size === 0) throw new MalformedFile("it is empty")
  const reader = new ProtobufReader(source)
  const opsets: Record<string, number> = {}
  const metadata: Record<string, string> = {}
  let irVersion = 0
  let producer = ""
  let producerVersion = ""
  let graph: Graph | undefined
  for (const field of reader.fields(0, source.size)) {
    if (field.number === 1) irVersion = field.varint
    else if (field.number === 2) producer = reader.text(field)
    else if (field.number === 3) producerVersion = reader.text(field)
    else if (field.number === 7) graph = readGraph(reader, field)
    else if (field.number === 8) {
      let version = 0
      for (const part of reader.fields(field.start, field.end)) if (part.number === 2) version = part.varint
      opsets[textOf(reader, field, 1)] = version
    } else if (field.number === 14) metadata[textOf(reader, field, 1)] = textOf(reader, field, 2)
  }
  if (irVersion === 0) throw new MalformedFile("it is not an ONNX model")
  if (graph === undefined) throw new MalformedFile(`it ends after ${source.size} bytes, before its graph`)
  if (Object.keys(opsets).length === 0) throw new MalformedFile(`it ends after ${source.size} bytes, before its opset`)
  return { irVersion, producer, producerVersion, opsets, metadata, ...graph }
}

const withSource = <A>(path: string, parse: (source: ByteSource) => A): A => {
  const descriptor = openSync(path, "r")
  try {
    return parse(fileSource(descriptor, fstatSync(descriptor).size))
  } finally {
    closeSync(descriptor)
  }
}

/** Reads the ONNX file at `path` by `parse`; fails with what is wrong with the file. */
export const readOnnxBy = <A>(path: string, parse: (source: ByteSource) => A): Effect.Effect<A, PluginError> =>
  Effect.try({
    try: () => withSource(path, parse),
    catch: (cause) =>
      new PluginError({
        reason: cause instanceof MalformedFile
          ? `the model file ${path} cannot be read: ${cause.message}`
          : `the model file ${path} cannot be opened`,
        cause
      })
  })

/** Reads the header of the ONNX file at `path`; fails with what is wrong with the file. */
export const readOnnxFile = (path: string): Effect.Effect<OnnxFile, PluginError> => readOnnxBy(path, parseOnnx)
