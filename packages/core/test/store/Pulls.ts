/**
 * A store in a folder that goes with the scope, and what a pull from a test's hub tells while it runs.
 */
import type { ReadWeights } from "@sluice/core/store/FetchedContent"
import { parseSource } from "@sluice/core/store/ModelSource"
import { makeModelStore } from "@sluice/core/store/ModelStore"
import type { PullSettings } from "@sluice/core/store/ObtainFile"
import { pullSource } from "@sluice/core/store/Pull"
import { PullFailed } from "@sluice/core/store/StoreErrors"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { repository } from "./FakeHub.ts"

/** A repository as exporters leave it. */
export const model = randomBytes(3_000_000)
export const files = {
  "onnx/model.onnx": model,
  "onnx/model_int8.onnx": randomBytes(1000),
  "tokenizer.json": Buffer.from("{\"tokens\":[]}"),
  "config.json": Buffer.from("{}"),
  "1_Pooling/config.json": Buffer.from("{\"pooling_mode_mean_tokens\":true}"),
  "README.md": Buffer.from("# A model"),
  "pytorch_model.bin": randomBytes(1000)
}
export const large = ["onnx/model.onnx", "onnx/model_int8.onnx", "pytorch_model.bin"]
export const hub = `hf:${repository}`

export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "sluice-store-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

export interface PullTest {
  readonly directory: string
  readonly settings: PullSettings
  /** What came, in its order: `fetched model.onnx`. */
  readonly told: Array<string>
}

export const pullTest = Effect.fnUntraced(function*(
  url: string,
  options: Partial<Pick<PullSettings, "offline" | "maxSize" | "readWeights">> & {
    readonly token?: string
    readonly directory?: string
    /** Where the waits for another are written down. */
    readonly waits?: Array<string>
  } = {}
) {
  const directory = options.directory ?? (yield* temporaryFolder)
  const told: Array<string> = []
  const settings: PullSettings = {
    store: makeModelStore(directory),
    hub: {
      endpoint: new URL(url),
      token: options.token === undefined ? undefined : Redacted.make(options.token)
    },
    offline: options.offline ?? false,
    maxSize: options.maxSize ?? 64 * 1024 * 1024,
    readWeights: options.readWeights ?? (() => Effect.succeed([])),
    events: {
      onProgress: () => {},
      onFile: ({ path }, how) => Effect.sync(() => void told.push(`${how} ${path}`)),
      onWait: (file, { pid }) => Effect.sync(() => void options.waits?.push(`${pid} ${file}`))
    }
  }
  return { directory, settings, told } satisfies PullTest
})

/** A source, pulled with these settings. */
export const pulled = Effect.fnUntraced(function*(
  settings: PullSettings,
  text: string,
  files: ReadonlyArray<string> = [],
  revision = "main"
) {
  const source = yield* Effect.fromResult(parseSource(text, { allowHttp: true }))
  return yield* pullSource(settings, source, { files, revision })
})

/** Every file below a folder, in the order of names. */
export const filesBelow = (folder: string): ReadonlyArray<string> =>
  Fs.existsSync(folder)
    ? Fs.readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
      .toSorted()
    : []

/** Why a pull did not work: the kind of its failure, and the sentence. */
export const failure = <A, R>(pull: Effect.Effect<A, { readonly _tag: string; readonly message: string }, R>) =>
  Effect.map(Effect.flip(pull), (error) => {
    if (error instanceof PullFailed) return { kind: error.kind, message: error.message }
    return { kind: error._tag, message: error.message }
  })

/** In these tests a model is a text whose lines name its weights; the first line says that it is one. */
export const modelText = (...weights: ReadonlyArray<string>): Buffer => Buffer.from(["model", ...weights].join("\n"))

export const readModelText: ReadWeights = (path) =>
  Effect.suspend(() => {
    const [first, ...weights] = Fs.readFileSync(path, "utf8").split("\n")
    return path.endsWith(".onnx") && first === "model"
      ? Effect.succeed(weights.filter((line) => line !== ""))
      : Effect.fail(new PullFailed({ kind: "malformed", reason: `the model file ${path} is none` }))
  })

/** The files and folders below a folder, with when each was changed at last. */
export const changesBelow = (folder: string): ReadonlyArray<string> =>
  ["", ...Fs.readdirSync(folder, { recursive: true }).map(String)].map((name) => {
    const { ctimeMs, ino, mtimeMs } = Fs.lstatSync(join(folder, name))
    return `${name} ${ino} ${ctimeMs} ${mtimeMs}`
  }).toSorted()
