/**
 * A keys file's text with one key more or one revoked, and everything else as it stands: comments and order. Pure.
 */
import { ConfigError } from "@sluice/core/config/ConfigError"
import * as Result from "effect/Result"
import { type Document, isCollection, isMap, isSeq, parseDocument, Scalar, type YAMLSeq } from "yaml"
import { parseKeys } from "./KeysFile.ts"

/** A key as it is written; what is left out is not. */
export interface WrittenKey {
  readonly id: string
  readonly sha256?: string
  readonly scrypt?: string
  readonly roles: ReadonlyArray<string>
  readonly models?: ReadonlyArray<string>
  /** ISO 8601. */
  readonly expires?: string
  readonly description?: string
}

const head =
  `# The keys of callers: what each may do, and for how long. The secrets are not here, only what they are checked by.
# \`sluice keys create | list | revoke\` edits this file, and so may you; running servers take it up at once.
keys: []
`

const refuse = (file: string, problem: string) =>
  Result.fail(new ConfigError({ mistakes: [{ source: file, problem }] }))

/** The list of keys, for a text that has been read as a keys file. */
const listOf = (document: Document): YAMLSeq | undefined => {
  const keys = document.get("keys")
  return isSeq(keys) ? keys : undefined
}

/** Lists of words stay on one line, and each key has lines of its own. */
const nodeOf = (document: Document, key: WrittenKey) => {
  const node = document.createNode(key)
  for (const field of ["roles", "models"]) {
    const list = isMap(node) ? node.get(field) : undefined
    if (isCollection(list)) list.flow = true
  }
  return node
}

/** Checked as a server would read it. */
const print = (document: Document, file: string): Result.Result<string, ConfigError> => {
  const text = document.toString({ lineWidth: 0 })
  return Result.map(parseKeys(text, file), () => text)
}

/** The text with the key at its end. An empty text becomes a keys file. Fails where the id or the secret is there already. */
export const addKey = (text: string, file: string, key: WrittenKey): Result.Result<string, ConfigError> =>
  Result.gen(function*() {
    const before = text.trim() === "" ? head : text
    const keys = yield* parseKeys(before, file)
    if (keys.some(({ principal }) => principal.id === key.id)) {
      return yield* refuse(file, `there is a key "${key.id}" already: choose another --id`)
    }
    const document = parseDocument(before, { stringKeys: true })
    const list = listOf(document)
    if (list === undefined) return yield* refuse(file, "keys is not written as a list here: add this one by hand")
    list.flow = false
    list.add(nodeOf(document, key))
    return yield* print(document, file)
  })

/**
 * The text with that key revoked at this time, in ISO 8601; undefined where it has been revoked before. Fails where there is
 * no such key.
 */
export const revokeKey = (
  text: string,
  file: string,
  id: string,
  at: string
): Result.Result<string | undefined, ConfigError> =>
  Result.gen(function*() {
    const keys = yield* parseKeys(text, file)
    const index = keys.findIndex(({ principal }) => principal.id === id)
    if (index < 0) {
      const known = keys.length === 0 ? "it has none" : `it has ${keys.map(({ principal }) => principal.id).join(", ")}`
      return yield* refuse(file, `there is no key "${id}": ${known}`)
    }
    if (keys[index]?.revoked === true) return undefined
    const document = parseDocument(text, { stringKeys: true })
    const entry = listOf(document)?.get(index)
    if (!isMap(entry)) return yield* refuse(file, `key "${id}" is not written out here: add "revoked: true" by hand`)
    entry.set("revoked", new Scalar(at))
    return yield* print(document, file)
  })
