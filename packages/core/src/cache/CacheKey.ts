/**
 * The name under which an item's output is cached: `sluice:1:cache:<model>:<version>:<hash>`. The hash covers the item and
 * all that decides the output beside the version, so an entry is never found by anything it was not computed from.
 */
import type { FeatureValue, Item } from "@sluice/domain/Item"
import type { Tensor, TensorMap } from "@sluice/domain/Tensor"
import { hash } from "node:crypto"
import { CanonicalBytes } from "./CanonicalBytes.ts"

/** Every key of ours starts so. The number changes when keys change their form, and old entries are not read again. */
export const KEY_ROOT = "sluice:1:"
/** What the cache keeps, and nothing else, starts so. */
export const CACHE_ROOT = `${KEY_ROOT}cache:`
/** Changed by each clearing, so that every process hears of it. */
export const EPOCH_KEY = `${KEY_ROOT}epoch`
const claimRoot = `${KEY_ROOT}claim:`

export type CacheInput = Item | TensorMap

export interface CacheNamespace {
  readonly model: string
  readonly version: string
  /** What the namespace's keys start with. */
  readonly prefix: string
  /** The hash of all that decides the output beside model, version and item. */
  readonly fingerprint: string
}

export interface NamespaceParts {
  readonly model: string
  readonly version: string
  readonly precision: string
  readonly plugin: string
  /** The registry entry's options, as JSON has them. */
  readonly options: unknown
  /** Tells what one version was of apart, as a hash over its files and its plugin's code does. */
  readonly revision?: string | undefined
}

const scratch = new CanonicalBytes()

/**
 * 132 bits of SHA-256: a collision would answer one caller with another's result, so it must not be cheap to find. It
 * takes 2.2 µs for a short text, of which 1.3 µs are the call out of JavaScript that a faster hash would need as well.
 */
const digest = (bytes: Uint8Array): string => hash("sha256", bytes, "base64url").slice(0, 22)

const writeFeature = (value: FeatureValue): void => {
  switch (typeof value) {
    case "number":
      scratch.tag("n")
      return scratch.float(value)
    case "string":
      scratch.tag("s")
      return scratch.text(value)
    case "boolean":
      return scratch.tag(value ? "t" : "f")
    default:
      return scratch.tag("0")
  }
}

const writeItem = (item: Item): void => {
  switch (item._tag) {
    case "Text":
      scratch.tag("T")
      return scratch.text(item.text)
    case "Tokens":
      scratch.tag("I")
      scratch.count(item.ids.length)
      return item.ids.forEach((id) => scratch.float(id))
    case "Features":
      scratch.tag("F")
      scratch.count(item.values.length)
      return item.values.forEach(writeFeature)
    case "Record": {
      const names = Object.keys(item.fields).sort()
      scratch.tag("R")
      scratch.count(names.length)
      for (const name of names) {
        scratch.text(name)
        writeFeature(item.fields[name] ?? null)
      }
      return
    }
    default:
      // A kind of item that is not written here would have one key for all its items.
      return item satisfies never
  }
}

const writeTensor = ({ data, datatype, shape }: Tensor): void => {
  scratch.text(datatype)
  scratch.count(shape.length)
  for (const dimension of shape) scratch.float(dimension)
  if (ArrayBuffer.isView(data)) {
    scratch.count(data.byteLength)
    return scratch.bytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }
  scratch.count(data.length)
  for (const element of data) scratch.text(element)
}

const writeTensors = (tensors: TensorMap): void => {
  const names = Object.keys(tensors).sort()
  scratch.tag("M")
  scratch.count(names.length)
  for (const name of names) {
    const tensor = tensors[name]
    if (tensor === undefined) continue
    scratch.text(name)
    writeTensor(tensor)
  }
}

/** A model may have an input named `_tag`, but that is a tensor and no text. */
const isItem = (input: CacheInput): input is Item => typeof input._tag === "string"

const writeJson = (value: unknown): void => {
  if (value === null || typeof value === "number" || typeof value === "string" || typeof value === "boolean") {
    return writeFeature(value)
  }
  if (Array.isArray(value)) {
    scratch.tag("[")
    scratch.count(value.length)
    return value.forEach(writeJson)
  }
  if (typeof value !== "object") return scratch.tag("u")
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined)
  scratch.tag("{")
  scratch.count(entries.length)
  for (const [name, entry] of entries.sort(([a], [b]) => a < b ? -1 : 1)) {
    scratch.text(name)
    writeJson(entry)
  }
}

/** What all keys of a model start with: what to clear to forget the model. */
export const modelPrefix = (model: string): string => `${CACHE_ROOT}${model}:`

/** The namespace of a model version as it is configured now. */
export const namespaceOf = (parts: NamespaceParts): CacheNamespace => {
  scratch.reset()
  scratch.text(parts.precision)
  scratch.text(parts.plugin)
  scratch.text(parts.revision ?? "")
  writeJson(parts.options)
  return {
    model: parts.model,
    version: parts.version,
    prefix: `${modelPrefix(parts.model)}${parts.version}:`,
    fingerprint: digest(scratch.written())
  }
}

/** The key of one item's output. */
export const itemKey = (namespace: CacheNamespace, input: CacheInput): string => {
  scratch.reset()
  scratch.text(namespace.fingerprint)
  if (isItem(input)) writeItem(input)
  else writeTensors(input)
  return namespace.prefix + digest(scratch.written())
}

/** Where it says that a process computes what this key will hold. */
export const claimKey = (key: string): string => claimRoot + key.slice(CACHE_ROOT.length)
