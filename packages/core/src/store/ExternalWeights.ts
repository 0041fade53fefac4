/**
 * The files in which a model keeps weights outside its own, as its graph names them: relative to its folder, and never
 * out of it. https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as NodeFs from "node:fs/promises"
import { dirname, posix, resolve, sep } from "node:path"
import { fileNameMistake } from "./FileName.ts"
import { storeCall } from "./ModelStore.ts"
import { hasCode, PullFailed, SourceRefused } from "./StoreErrors.ts"

/** A file's name as it is shown: the graph may name anything. */
const shown = (name: string): string => JSON.stringify(name.slice(0, 200))

/** Where the file lies that a model names so, from where the model's own name counts; or why it is not taken. Pure. */
export const weightsPlace = (model: string, location: string): Result.Result<string, SourceRefused> => {
  const name = location.replace(/^(\.\/)+/, "")
  const mistake = fileNameMistake(name)
  if (mistake === undefined) return Result.succeed(posix.join(posix.dirname(model), name))
  return Result.fail(
    new SourceRefused({
      reason: `${model} names ${shown(location)} as a file of weights, which is not taken: ${mistake}`
    })
  )
}

const missing = (path: string, location: string): PullFailed =>
  new PullFailed({
    kind: "missing",
    reason: `${path} keeps weights in ${
      shown(location)
    }, which is not beside it: put that file there, or pull the model`
  })

const checkOne = Effect.fnUntraced(function*(path: string, folder: string, location: string) {
  const place = yield* Effect.mapError(
    Effect.fromResult(weightsPlace("model", location)),
    () =>
      new PullFailed({
        kind: "malformed",
        reason: `${path} keeps weights in ${shown(location)}, which leads out of its folder: export it with its ` +
          "weights beside it"
      })
  )
  const there = yield* storeCall(path, () => NodeFs.realpath(resolve(folder, place))).pipe(
    Effect.catchIf(({ cause }) => hasCode(cause, "ENOENT", "ENOTDIR"), () => Effect.fail(missing(path, location)))
  )
  if (!there.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`)) {
    return yield* new PullFailed({
      kind: "malformed",
      reason: `${path} keeps weights in ${shown(location)}, a link that leads out of its folder to ${there}: put the ` +
        "file itself there"
    })
  }
  const stats = yield* storeCall(there, () => NodeFs.stat(there))
  if (!stats.isFile()) return yield* missing(path, location)
})

/** Fails unless each file of weights that the model at `path` names is there, in its folder or below. */
export const checkWeights = Effect.fnUntraced(function*(
  path: string,
  locations: ReadonlyArray<string>
): Effect.fn.Return<void, PullFailed> {
  if (locations.length === 0) return
  const folder = yield* storeCall(path, () => NodeFs.realpath(dirname(path)))
  yield* Effect.forEach(locations, (location) => checkOne(path, folder, location), { discard: true })
})
