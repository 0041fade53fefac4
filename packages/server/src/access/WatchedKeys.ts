/**
 * The keys of a file for as long as it changes: what it says now holds at once, and while it says nothing that can be read the
 * former keys go on.
 */
import type { ConfigError } from "@sluice/core/config/ConfigError"
import { watchFile, type WatchTiming } from "@sluice/core/registry/FileWatch"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { isDeepStrictEqual } from "node:util"
import type { KeyEntry } from "./KeyEntry.ts"
import { readKeysSource } from "./KeysFile.ts"

/** Sooner than the registry is looked at: a key that was revoked should not be taken for long. */
const keysWatchTiming: WatchTiming = { every: Duration.millis(500), still: Duration.millis(50) }

/** What an operator looks for after a change: whose key it was. */
const sentenceOf = (before: ReadonlyArray<KeyEntry>, after: ReadonlyArray<KeyEntry>): string => {
  const former = new Map(before.map((entry) => [entry.principal.id, entry]))
  const ids = new Set(after.map(({ principal }) => principal.id))
  const changed = after.filter((entry) => {
    const old = former.get(entry.principal.id)
    return old !== undefined && !isDeepStrictEqual(old, entry)
  })
  const kinds = {
    added: after.filter(({ principal }) => !former.has(principal.id)),
    changed: changed.filter(({ revoked }) => !revoked),
    revoked: changed.filter(({ revoked }) => revoked),
    removed: before.filter(({ principal }) => !ids.has(principal.id))
  }
  const parts = Object.entries(kinds).flatMap(([kind, entries]) =>
    entries.length === 0 ? [] : [`${kind} ${entries.map(({ principal }) => principal.id).join(", ")}`]
  )
  return parts.length === 0 ? "nothing that matters" : parts.join("; ")
}

/**
 * Reads the keys and goes on reading them whenever the file becomes another; `onKeys` gets them each time. Fails where they
 * cannot be read at first.
 */
export const watchKeys = Effect.fnUntraced(function*(
  file: string,
  onKeys: (keys: ReadonlyArray<KeyEntry>) => void,
  timing: WatchTiming = keysWatchTiming
): Effect.fn.Return<void, ConfigError, Scope.Scope> {
  const source = yield* readKeysSource(file)
  let { keys, text } = source
  /** Why the file as it is now is not taken, as it was said last. */
  let refused: string | undefined
  onKeys(keys)

  const takeUp = Effect.gen(function*() {
    const read = yield* Effect.result(readKeysSource(file))
    if (Result.isFailure(read)) {
      const { message } = read.failure
      if (message === refused) return
      refused = message
      return yield* Effect.logError(
        `the keys file cannot be used as it is now, and the keys that were read before go on to hold:\n${message}`
      )
    }
    const wasRefused = refused !== undefined
    refused = undefined
    if (read.success.text === text && !wasRefused) return
    const sentence = sentenceOf(keys, read.success.keys)
    keys = read.success.keys
    text = read.success.text
    onKeys(keys)
    yield* Effect.logInfo(`the keys file has changed: ${sentence}`)
  })
  yield* watchFile(file, takeUp, timing)
})
