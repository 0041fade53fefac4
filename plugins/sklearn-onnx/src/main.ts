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
import { makeDecoder, type Target, targetOf } from "./Target.ts"

const orFail = <A>(context: PluginContext, result: Result.Result<A, string>): Effect.Effect<A, PluginError> =>
  Effect.mapError(
    Effect.fromResult(result),
    (reason) => new PluginError({ reason: `${context.model}@${context.version}: ${reason}` })
  )

const checkLabels = (target: Target, labels: ReadonlyArray<string> | undefined): Result.Result<void, string> => {
  const classes = target._tag === "Classification" ? target.probabilities?.shape[1] : undefined
  return labels !== undefined && classes !== undefined && classes !== -1 && classes !== labels.length
    ? Result.fail(`the model has ${classes} classes, but there are ${labels.length} labels`)
    : Result.void
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
      const labels = options.labels ?? card.labels
      const columns = yield* orFail(context, columnsOf(signature, options.features ?? card.features))
      const target = yield* orFail(context, targetOf(options, signature))
      yield* orFail(context, checkLabels(target, labels))
      return { ...makeRowEncoder(columns), decode: makeDecoder(target, labels) }
    }),
  recognise: (files) =>
    files.path.endsWith(".onnx")
      ? Effect.map(readOnnxFile(files.path), sklearnMark)
      : Effect.succeed(undefined),
  serving: { instances: 1, threads: 1, maxBatchSize: 64, shareWorker: true }
})
