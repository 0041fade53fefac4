/**
 * Whether what came is a file of the kind that its name says, before it is kept: a page that tells of an error, or a
 * beginning that broke off, is none.
 */
import * as Effect from "effect/Effect"
import * as NodeFs from "node:fs/promises"
import { extname } from "node:path"
import { storeCall } from "./ModelStore.ts"
import { PullFailed } from "./StoreErrors.ts"

/** Tells of a model's file in which others it keeps weights, as it names them; fails with `malformed` where it is damaged. */
export type ReadWeights = (path: string) => Effect.Effect<ReadonlyArray<string>, PullFailed>

/** Larger tokenizers are no plugin's, and would not fit into memory beside a server. */
const mostJsonBytes = 256 * 1024 * 1024

const refused = (file: string, problem: string, cause?: unknown): PullFailed =>
  new PullFailed({
    kind: "malformed",
    reason: `${file}: what came is not such a file, and was not kept: ${problem}`,
    cause
  })

const parses = (text: string): unknown => {
  try {
    JSON.parse(text)
    return undefined
  } catch (cause) {
    return cause
  }
}

/** The files of weights that the model `file` names, of which the content lies at `path`; none of other files. */
export const checkContent = Effect.fnUntraced(function*(
  file: string,
  path: string,
  readWeights: ReadWeights
): Effect.fn.Return<ReadonlyArray<string>, PullFailed> {
  const { size } = yield* storeCall(path, () => NodeFs.stat(path))
  if (size === 0) return yield* refused(file, "it is empty")
  switch (extname(file).toLowerCase()) {
    case ".onnx":
      return yield* Effect.mapError(
        readWeights(path),
        (error) => error.kind === "malformed" ? refused(file, error.reason.replaceAll(path, file), error) : error
      )
    case ".json": {
      if (size > mostJsonBytes) return yield* refused(file, `it has ${size} bytes`)
      const mistake = parses(yield* storeCall(path, () => NodeFs.readFile(path, "utf8")))
      return mistake === undefined ? [] : yield* refused(file, "it is not JSON", mistake)
    }
    default:
      return []
  }
})
