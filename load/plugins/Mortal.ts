/**
 * A model that doubles numbers in 10 ms, and whose instance dies in the middle of a run once in every period: the one
 * that is running then. Each death leaves a file with the numbers that were lost.
 */
import { definePlugin, type Model, type ModelSignature, PluginError } from "@sluice/plugin-sdk"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { closeSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"
import { isMainThread } from "node:worker_threads"

const Options = Schema.Struct({
  /** Where deaths are recorded. */
  deaths: Schema.NonEmptyString,
  every_ms: Schema.Finite,
  /** The process that started the server, by which an instance knows whether it lives in the server's own process. */
  starter: Schema.Int
})

const signature: ModelSignature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1] }],
  outputs: [{ name: "double", datatype: "FP32", shape: [-1, 1] }],
  batchable: true
}

const runMs = 10
const never = new Int32Array(new SharedArrayBuffer(4))

/** Opens a file that must not be there yet: of several instances, one succeeds. */
const claim = (file: string): number | undefined => {
  try {
    return openSync(file, "wx")
  } catch {
    return undefined
  }
}

const die = (isServer: boolean): void => {
  // In a worker thread, exit ends the thread; SIGKILL would end the server.
  if (isServer) process.exit(1)
  process.kill(process.pid, "SIGKILL")
}

export default definePlugin({
  name: "mortal",
  options: Options,
  serving: { instances: 2, threads: 1, maxBatchSize: 4 },
  load: (_, { deaths, every_ms: everyMs, starter }) =>
    Effect.sync((): Model => {
      const isServer = process.ppid === starter
      const period = () => Math.floor(Date.now() / everyMs)
      const born = period()
      return {
        signature,
        run: ({ x }) => {
          const data = x?.data
          if (!(data instanceof Float32Array)) {
            return Effect.fail(new PluginError({ reason: "the input is x, in FP32" }))
          }
          if (isServer && isMainThread) {
            return Effect.fail(new PluginError({ reason: "it must not die in the server's main thread" }))
          }
          return Effect.sync(() => {
            Atomics.wait(never, 0, 0, runMs)
            const now = period()
            // Not in the period of its own start, so that warm-up survives
            const file = now > born && data.some((value) => value !== 0)
              ? claim(join(deaths, `${now}.json`))
              : undefined
            if (file !== undefined) {
              writeSync(file, JSON.stringify(Array.from(data)))
              closeSync(file)
              die(isServer)
            }
            return {
              double: { datatype: "FP32", shape: [data.length, 1], data: data.map((value) => value * 2) }
            }
          })
        }
      }
    })
})
