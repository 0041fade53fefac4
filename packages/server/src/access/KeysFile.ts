/**
 * Reads `api_keys.yaml`: decoded and cross-checked. Everything that is wrong is said at once, with its line.
 */
import {
  type ConfigError,
  configError,
  type ConfigMistake,
  describeKind,
  fieldPath
} from "@sluice/core/config/ConfigError"
import { parseYaml, type YamlDocument } from "@sluice/core/config/YamlDocument"
import { decodeYaml, readText } from "@sluice/core/config/YamlFile"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { KeyEntry, KeyProof } from "./KeyEntry.ts"
import { KeysYaml, type KeyYaml } from "./KeySchema.ts"
import { anonymous, tokenHolder } from "./Principal.ts"

/** What logs and limits call those who have no entry here. */
const takenIds: ReadonlySet<string> = new Set([anonymous.id, tokenHolder.id])

const proofOf = ({ scrypt, sha256 }: KeyYaml): KeyProof | undefined => {
  if (sha256 !== undefined) return scrypt === undefined ? { type: "sha256", digest: sha256 } : undefined
  return scrypt === undefined ? undefined : { type: "scrypt", hash: scrypt }
}

const entryOf = (key: KeyYaml, proof: KeyProof): KeyEntry => ({
  principal: {
    id: key.id,
    roles: new Set(key.roles),
    models: key.models === undefined ? undefined : new Set(key.models),
    limits: key.limits
  },
  proof,
  expiresMs: key.expires,
  revoked: key.revoked !== undefined && key.revoked !== false,
  description: key.description ?? ""
})

/** The mistakes of keys that each are of the right shape. */
const crossCheck = ({ keys }: KeysYaml, document: YamlDocument): ReadonlyArray<ConfigMistake> => {
  const mistakes: Array<ConfigMistake> = []
  const add = (index: number, field: string, problem: string): void => {
    const path = ["keys", index, field]
    mistakes.push({ source: document.file, line: document.lineOf(path), field: fieldPath(path), problem })
  }
  const firstWith = new Map<string, string>()
  keys.forEach((key, index) => {
    const isRepeated = keys.findIndex(({ id }) => id === key.id) < index
    if (isRepeated) add(index, "id", `there is another key "${key.id}": each id names one key`)
    if (takenIds.has(key.id)) {
      add(index, "id", `"${key.id}" is what those without an entry here are called: choose another`)
    }
    if (proofOf(key) === undefined) {
      add(index, key.scrypt === undefined ? "id" : "scrypt", "a key has either sha256 or scrypt")
    }
    if (key.sha256 === undefined) return
    const first = firstWith.get(key.sha256)
    if (first !== undefined) add(index, "sha256", `key "${first}" has the same secret: make another one`)
    else firstWith.set(key.sha256, key.id)
  })
  return mistakes
}

/** Decodes and cross-checks a parsed keys file. Whatever stands in it may be a secret in the wrong place: no value is repeated. */
const decodeKeys = (document: YamlDocument): Result.Result<ReadonlyArray<KeyEntry>, ConfigError> =>
  Result.gen(function*() {
    const yaml: KeysYaml = yield* decodeYaml(KeysYaml, document, describeKind)
    const error = configError(crossCheck(yaml, document))
    if (error !== undefined) return yield* Result.fail(error)
    return yaml.keys.flatMap((key) => {
      const proof = proofOf(key)
      return proof === undefined ? [] : [entryOf(key, proof)]
    })
  })

/** The keys of a text that is, or will be, this file. */
export const parseKeys = (text: string, file: string): Result.Result<ReadonlyArray<KeyEntry>, ConfigError> =>
  Result.flatMap(parseYaml(text, file), decodeKeys)

/** Keys with the text that they were read from. */
export interface KeysSource {
  readonly text: string
  readonly keys: ReadonlyArray<KeyEntry>
}

export const readKeysSource = Effect.fn("KeysFile.readKeysSource")(
  function*(file: string): Effect.fn.Return<KeysSource, ConfigError> {
    const text = yield* readText(file)
    return { text, keys: yield* Effect.fromResult(parseKeys(text, file)) }
  }
)
