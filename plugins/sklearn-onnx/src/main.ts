/**
 * The `sklearn-onnx` plugin: scikit-learn models converted by skl2onnx, with named features and classes.
 */
import { loadOnnx } from "@sluice/plugin-onnx/LoadOnnx"
import { type OnnxFile, readOnnxFile } from "@sluice/plugin-onnx/OnnxFile"
import { definePlugin, type PluginContext, PluginError } from "@sluice/plugin-sdk"
import { readModelCard } from "@sluice/plugin-sdk/ModelCard"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { columnsOf } from "./Columns.ts"
import { makeRowEncoder } from "./RowEncoder.ts"
import { SklearnOptions } from "./SklearnOptions.ts"
import { type ClassNames, makeDecoder, type Target, targetOf } from "./Target.ts"

const orFail = <A>(context: PluginContext, result: Result.Result<A, string>): Effect.Effect<A, PluginError> =>
  Effect.mapError(
    Effect.fromResult(result),
    (reason) => new PluginError({ reason: `${context.model}@${context.version}: ${reason}` })
  )

/** Labels and the file's own classes, as far as they are as many as the model's scores. */
const classNames = (
  target: Target,
  labels: ReadonlyArray<string> | undefined,
  classes: ReadonlyArray<string | number> | undefined
): Result.Result<ClassNames, string> => {
  const scores = target._tag === "Classification" ? target.probabilities?.shape[1] : undefined
  // One score for two classes is the distance from the plane between them
  const count = scores === undefined || scores < 2 ? undefined : scores
  if (labels !== undefined && count !== undefined && count !== labels.length) {
    return Result.fail(`the model has ${count} classes, but there are ${labels.length} labels`)
  }
  const known = classes !== undefined && (count ?? labels?.length ?? classes.length) === classes.length
  return Result.succeed({ labels, classes: known ? classes : undefined })
}

/** What in a file's header tells that it was a scikit-learn model. */
const sklearnMark = (file: OnnxFile): string | undefined => {
  const names = file.outputs.map((output) => output.name)
  if (names.includes("label") && names.includes("probabilities")) return `its outputs are "label" and "probabilities"`
  if (names.includes("output_label")) return `it has the output "output_label"`
  if (file.producer === "skl2onnx") return "skl2onnx made it"
  return names.length === 1 && names[0] === "variable" ? `its output is "variable"` : undefined
}

export default definePlugin({
  name: "sklearn-onnx",
  options: SklearnOptions,
  load: (context) => loadOnnx(context),
  codec: (context, options, signature) =>
    Effect.gen(function*() {
      const card = yield* readModelCard(context.files)
      const { classes } = yield* readOnnxFile(context.files.path)
      const columns = yield* orFail(context, columnsOf(signature, options.features ?? card.features))
      const target = yield* orFail(context, targetOf(options, signature))
      const names = yield* orFail(context, classNames(target, options.labels ?? card.labels, classes))
      return { ...makeRowEncoder(columns), decode: makeDecoder(target, names) }
    }),
  recognise: (files) =>
    files.path.endsWith(".onnx")
      ? Effect.map(readOnnxFile(files.path), sklearnMark)
      : Effect.succeed(undefined),
  serving: { instances: 1, threads: 1, maxBatchSize: 64, inline: true, shareWorker: true }
})
