/**
 * What a model file is, whatever its name: the hash that keeps answers of a replaced file from being served again.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { pipeline } from "node:stream/promises"

export class FileUnreadable extends Data.TaggedError("FileUnreadable")<{
  readonly path: string
  readonly cause: unknown
}> {
  override get message() {
    return `${this.path} cannot be read`
  }
}

/** SHA-256 of a file's content, in hexadecimal; read in pieces, so that no request waits for it. */
export const fileDigest = (path: string): Effect.Effect<string, FileUnreadable> =>
  Effect.tryPromise({
    try: async (signal) => {
      const hash = createHash("sha256")
      await pipeline(createReadStream(path), hash, { signal })
      return hash.digest("hex")
    },
    catch: (cause) => new FileUnreadable({ path, cause })
  })
