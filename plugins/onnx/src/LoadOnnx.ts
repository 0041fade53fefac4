/**
 * Loads an ONNX file as a model: the part that other plugins for ONNX files build on.
 */
import {
  type Device,
  type Model,
  type ModelSignature,
  type PluginContext,
  PluginError,
  type Tensor,
  type TensorMap
} from "@sluice/plugin-sdk"
import { signatureMismatch } from "@sluice/plugin-sdk/SignatureCheck"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Ort from "onnxruntime-node"
import { fromRuntime, runtimeTypes } from "./Datatypes.ts"
import { readOnnxFile } from "./OnnxFile.ts"
import { openRenewed } from "./RenewedSession.ts"
import { sessionSignature } from "./SessionSignature.ts"

export interface OnnxSettings {
  /** The outputs to compute and return; all of the file's when left out. Fails where the file lacks one. */
  readonly outputs?: ((signature: ModelSignature) => Result.Result<ReadonlyArray<string>, string>) | undefined
  /** Whether rows may be batched, where the file's dimensions say it wrongly. */
  readonly batchable?: boolean | undefined
  /**
   * Whether threads that wait for each other stay awake: `true` between two runs as well, at the price of a busy CPU,
   * `false` never. Left out, those of one run do until it ends, so that nothing is taken from who writes its answer.
   */
  readonly spinning?: boolean | undefined
}

const sentence = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).trim()

// Imported when the first model is loaded: the host's event loop imports plugins for their codecs only
const importRuntime = Effect.tryPromise({
  try: () => import("onnxruntime-node"),
  catch: (cause) => new PluginError({ reason: `onnxruntime cannot be loaded: ${sentence(cause)}`, cause })
})

const requireDevice = (runtime: typeof Ort, device: Device): Effect.Effect<void, PluginError> => {
  const names = runtime.listSupportedBackends().map((backend) => backend.name)
  return names.includes(device) ? Effect.void : Effect.fail(
    new PluginError({
      reason:
        `device "${device}" is not in this build of onnxruntime (${process.platform} ${process.arch}), which has: ${
          names.join(", ")
        }`
    })
  )
}

const sessionOptions = (context: PluginContext, settings: OnnxSettings): Ort.InferenceSession.SessionOptions => ({
  executionProviders: context.device === "cpu" ? ["cpu"] : [context.device, "cpu"],
  intraOpNumThreads: context.threads,
  interOpNumThreads: 1,
  // A shape that comes again would get one block of its own, beside what the arena has; without it runs are no slower
  enableMemPattern: false,
  // Failures are thrown as well; 4 (fatal) keeps the runtime from also writing them to stderr
  logSeverityLevel: 4,
  extra: {
    session: {
      intra_op: { allow_spinning: settings.spinning ?? context.threads > 1 ? "1" : "0" },
      force_spinning_stop: settings.spinning === true ? "0" : "1"
    }
  }
})

/** The runtime says of a damaged file only that parsing failed; the header's reader knows why. */
const explainFailure = (context: PluginContext) => (error: PluginError): Effect.Effect<never, PluginError> =>
  Effect.matchEffect(readOnnxFile(context.files.path), {
    onFailure: (damage) => Effect.fail(new PluginError({ reason: damage.reason, cause: error })),
    onSuccess: () => Effect.fail(error)
  })

const openSession = (runtime: typeof Ort, context: PluginContext, settings: OnnxSettings) =>
  openRenewed(
    Effect.tryPromise({
      try: () => runtime.InferenceSession.create(context.files.path, sessionOptions(context, settings)),
      catch: (cause) =>
        new PluginError({
          reason: `onnxruntime cannot load ${context.files.path} on device "${context.device}": ${sentence(cause)}`,
          cause
        })
    }).pipe(Effect.catch(explainFailure(context))),
    (session) =>
      Effect.tryPromise(() => session.release()).pipe(
        Effect.catch((error) =>
          Effect.sync(() => context.log("warn", `onnxruntime did not release a session: ${sentence(error.cause)}`))
        )
      ),
    context.log
  )

const selectOutputs = (signature: ModelSignature, settings: OnnxSettings): Result.Result<ModelSignature, string> => {
  const batchable = settings.batchable ?? signature.batchable
  if (settings.outputs === undefined) return Result.succeed({ ...signature, batchable })
  return Result.map(settings.outputs(signature), (names) => ({
    inputs: signature.inputs,
    outputs: signature.outputs.filter((output) => names.includes(output.name)),
    batchable
  }))
}

const toRuntime = (runtime: typeof Ort, { data, datatype, shape }: Tensor): Ort.Tensor =>
  datatype === "FP16" && data instanceof Uint16Array
    // On a Node that has Float16Array, Tensor makes one of the bits, which the native side of 1.30 cannot read
    ? Object.assign(new runtime.Tensor("uint16", data, shape), { type: "float16" as const })
    : new runtime.Tensor(runtimeTypes[datatype], data, shape)

const toFeeds = (runtime: typeof Ort, inputs: TensorMap): Record<string, Ort.Tensor> => {
  const feeds: Record<string, Ort.Tensor> = {}
  for (const name of Object.keys(inputs)) feeds[name] = toRuntime(runtime, inputs[name]!)
  return feeds
}

const fromResults = (signature: ModelSignature, results: Ort.InferenceSession.ReturnType): TensorMap => {
  const outputs: Record<string, Tensor> = {}
  for (const { datatype, name } of signature.outputs) {
    const result = results[name]
    if (result === undefined) throw new TypeError(`onnxruntime did not return the output "${name}"`)
    outputs[name] = { datatype, shape: result.dims, data: fromRuntime(datatype, result.data) }
  }
  return outputs
}

/**
 * Loads the ONNX file that `context.files.path` names on the context's device and threads; the session is released
 * with the scope, and `run` fails from then on. Fails where the runtime lacks the device, cannot read the file, or the
 * model has inputs or outputs that are no tensors.
 */
export const loadOnnx = (
  context: PluginContext,
  settings: OnnxSettings = {}
): Effect.Effect<Model, PluginError, Scope.Scope> =>
  Effect.gen(function*() {
    const runtime = yield* importRuntime
    yield* requireDevice(runtime, context.device)
    const renewed = yield* openSession(runtime, context, settings)
    let released = false
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        released = true
      })
    )
    const signature = yield* Effect.fromResult(
      Result.flatMap(sessionSignature(renewed.session), (whole) => selectOutputs(whole, settings))
    ).pipe(Effect.mapError((reason) => new PluginError({ reason: `${context.files.path}: ${reason}` })))
    const fetches = signature.outputs.map((output) => output.name)

    const run = (inputs: TensorMap): Effect.Effect<TensorMap, PluginError> =>
      Effect.suspend(() => {
        if (released) return Effect.fail(new PluginError({ reason: "the model has been released" }))
        const mismatch = signatureMismatch("input", signature.inputs, inputs)
        if (mismatch !== undefined) return Effect.fail(new PluginError({ reason: mismatch }))
        return Effect.tryPromise({
          try: async () => fromResults(signature, await renewed.run(toFeeds(runtime, inputs), fetches)),
          catch: (cause) => new PluginError({ reason: `onnxruntime failed on a batch: ${sentence(cause)}`, cause })
        })
      }).pipe(
        // The inputs are in use until the native call returns, so an interrupted caller waits for it
        Effect.uninterruptible
      )
    return { signature, run }
  })
