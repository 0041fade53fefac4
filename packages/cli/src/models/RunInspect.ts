/**
 * Prints what a model's file says of itself.
 */
import { modelFiles } from "@sluice/core/execution/ModelFiles"
import { inspectFile } from "@sluice/core/registry/FileInspection"
import { PluginCatalogue } from "@sluice/core/registry/PluginCatalogue"
import { loadSettings } from "@sluice/server/config/LoadSettings"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { stat } from "node:fs/promises"
import { resolve } from "node:path"
import { failed } from "../CommandFailed.ts"
import { type Output, printJson } from "../OutputFlag.ts"
import { renderReport } from "./InspectReport.ts"

export interface InspectOptions {
  readonly file: string
  readonly output: Output
}

/** Fails unless it is a file that is there. */
export const requireFile = (file: string) =>
  Effect.tryPromise({
    try: () => stat(file),
    catch: (cause) => failed(`${file} does not exist, or may not be read`, cause)
  }).pipe(Effect.flatMap((stats) => stats.isFile() ? Effect.void : Effect.fail(failed(`${file} is not a file`))))

/** The plugins of the settings. */
export const catalogueLayer = Effect.map(
  loadSettings({ env: process.env }),
  ({ settings }) => PluginCatalogue.layer(settings.plugins, process.cwd())
)

export const runInspect = Effect.fnUntraced(function*({ file, output }: InspectOptions) {
  yield* requireFile(file)
  const inspected = Effect.flatMap(PluginCatalogue, (catalogue) => inspectFile(catalogue, modelFiles(resolve(file))))
  const report = yield* Effect.provide(inspected, yield* catalogueLayer)
  if (report === undefined) {
    return yield* failed(`${file} is of no format that the configured plugins know, such as .onnx`)
  }
  yield* Console.log(output === "json" ? printJson({ file, ...report }) : renderReport(report))
})
