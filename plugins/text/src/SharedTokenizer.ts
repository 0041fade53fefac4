/**
 * One tokenizer in memory for all versions that use the same file: reading MiniLM's takes 70 ms and tens of megabytes.
 */
import { type ModelFiles, PluginError } from "@sluice/plugin-sdk"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { stat } from "node:fs/promises"
import { readTokenizer, type TextTokenizer } from "./TextTokenizer.ts"

interface Shared {
  readonly tokenizer: Effect.Effect<TextTokenizer, PluginError>
  users: number
}

const inUse = new Map<string, Shared>()

/** A file that was replaced is another tokenizer, so a reload reads it anew. */
const identity = (path: string): Effect.Effect<string, PluginError> =>
  Effect.tryPromise({
    try: async () => {
      const { mtimeMs, size } = await stat(path)
      return `${path} ${mtimeMs} ${size}`
    },
    catch: (cause) => new PluginError({ reason: `${path} cannot be read`, cause })
  })

/** The tokenizer beside a model, read once and kept while a scope uses it. */
export const sharedTokenizer = (files: ModelFiles): Effect.Effect<TextTokenizer, PluginError, Scope.Scope> =>
  Effect.gen(function*() {
    const path = files.beside("tokenizer.json")
    if (path === undefined) {
      return yield* new PluginError({ reason: `tokenizer.json must lie beside ${files.path}` })
    }
    const key = yield* identity(path)
    const fresh: Shared = { tokenizer: yield* Effect.cached(readTokenizer(files)), users: 0 }
    const shared = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const known = inUse.get(key) ?? fresh
        inUse.set(key, known)
        known.users++
        return known
      }),
      (known) =>
        Effect.sync(() => {
          if (--known.users === 0) inUse.delete(key)
        })
    )
    return yield* shared.tokenizer
  })
