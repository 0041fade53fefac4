/**
 * The `onnx` plugin: any ONNX file, raw tensors in, raw tensors out.
 */
import { definePlugin } from "@sluice/plugin-sdk"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { loadOnnx } from "./LoadOnnx.ts"
import { readOnnxFile } from "./OnnxFile.ts"
import { inspectOnnxFile } from "./OnnxInspection.ts"

export const OnnxOptions = Schema.Struct({
  batchable: Schema.optionalKey(Schema.Boolean),
  spinning: Schema.optionalKey(Schema.Boolean)
}).annotate({ parseOptions: { onExcessProperty: "error" } })

export default definePlugin({
  name: "onnx",
  options: OnnxOptions,
  load: loadOnnx,
  recognise: (files) =>
    files.path.endsWith(".onnx")
      ? Effect.map(readOnnxFile(files.path), (file) =>
        `an ONNX file${file.producer === "" ? "" : ` made by ${file.producer}`}, served as raw tensors`)
      : Effect.succeed(undefined),
  inspect: (files) => files.path.endsWith(".onnx") ? inspectOnnxFile(files.path) : Effect.succeed(undefined),
  serving: { inline: true }
})
