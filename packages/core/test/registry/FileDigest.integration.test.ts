/**
 * The digest of real files: the published one for known content, and a typed failure for none.
 */
import { assert, describe, it } from "@effect/vitest"
import { fileDigest } from "@sluice/core/registry/FileDigest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-digest-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

describe("fileDigest", () => {
  it.live("is the SHA-256 of the content (FIPS 180-2, B.1)", () =>
    Effect.gen(function*() {
      const file = join(yield* temporaryFolder, "abc")
      writeFileSync(file, "abc")
      assert.strictEqual(
        yield* fileDigest(file),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
      )
    }))

  it.live("fails by name for a file that is not there", () =>
    Effect.gen(function*() {
      const path = join(yield* temporaryFolder, "none")
      const error = yield* Effect.flip(fileDigest(path))
      assert.strictEqual(error._tag, "FileUnreadable")
      assert.strictEqual(error.path, path)
    }))
})
