/**
 * Keys for tests, and the files that they are in.
 */
import { keyDigest, makeKey } from "@sluice/server/access/KeySecret"
import { renameSync, writeFileSync } from "node:fs"
import { stringify } from "yaml"

export interface TestKey {
  readonly id: string
  readonly key: string
  readonly [field: string]: unknown
}

/** A key with these fields of its entry. */
export const testKey = (id: string, fields: Readonly<Record<string, unknown>>): TestKey => ({
  ...fields,
  id,
  key: makeKey(undefined)
})

/** The text of a keys file; a key that has no proof gets its SHA-256. */
export const keysText = (...keys: ReadonlyArray<TestKey>): string =>
  stringify({
    keys: keys.map(({ key, ...entry }) => entry["scrypt"] === undefined ? { ...entry, sha256: keyDigest(key) } : entry)
  })

/** Puts a text in the file's place whole, as editors and our own commands do. */
export const writeKeys = (file: string, text: string): void => {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}
