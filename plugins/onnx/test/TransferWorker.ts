/**
 * A worker that runs one batch and gives its outputs away, as the host's workers do.
 */
import { fileContext } from "@sluice/plugin-sdk/ConformanceSubject"
import * as Effect from "effect/Effect"
import { parentPort, workerData } from "node:worker_threads"
import onnx from "../src/main.ts"

const program = Effect.gen(function*() {
  const model = yield* onnx.load(fileContext(workerData.path), {})
  const outputs = yield* model.run(workerData.inputs)
  const again = yield* model.run(workerData.inputs)
  const buffers = Object.values(outputs).flatMap(({ data }) => (ArrayBuffer.isView(data) ? [data.buffer] : []))
  parentPort!.postMessage({ outputs, again }, buffers)
  parentPort!.postMessage(buffers.map((buffer) => buffer.byteLength))
})

await Effect.runPromise(Effect.scoped(program))
