/**
 * A server whose registry is a file of the test's own, and what is asked of it.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { http, type HttpCall } from "../harness/Http.ts"
import { inRepository, readyServer, temporaryDirectory } from "../harness/ServerProcess.ts"

/** `iris` in these versions, the first by default, all of the same file. */
export const irisRegistry = (...versions: ReadonlyArray<string>): string =>
  `models:
  iris:
    default_version: ${versions[0] ?? "v1"}
    versions:
${
    versions.map((version) =>
      `      ${version}: { path: ${inRepository("config/models/iris/model.onnx")}, cache: false }`
    )
      .join("\n")
  }
`

export interface Status {
  readonly etag: string
  readonly by: string
  readonly applied_at: string
  readonly pending_error: ReadonlyArray<string> | null
}

const often = Schedule.spaced("20 millis")

/** Starts it on this text; the file stays when the server ends. */
export const registryServer = Effect.fnUntraced(function*(options: {
  readonly registry: string
  readonly env?: Readonly<Record<string, string>>
  /** Where the file is; a folder of its own when left out. */
  readonly directory?: string
}) {
  const directory = options.directory ?? (yield* temporaryDirectory)
  const file = join(directory, "registry.yaml")
  if (options.directory === undefined) writeFileSync(file, options.registry)
  const server = yield* readyServer({ env: { MODEL_REGISTRY: file, ...options.env } })
  const ask = (call: Omit<HttpCall, "port">) => http({ port: server.port, ...call })
  const status = Effect.map(ask({ path: "/api/v1/registry/status" }), (answer) => answer.json() as Status)
  return {
    ...server,
    directory,
    file,
    ask,
    put: (body: string, headers: Readonly<Record<string, string>> = {}, query = "") =>
      ask({
        method: "PUT",
        path: `/api/v1/registry${query}`,
        body,
        headers: { "content-type": "application/yaml", ...headers }
      }),
    status,
    /** Waits until the status is as expected. */
    until: (expected: (status: Status) => boolean) => Effect.repeat(status, { until: expected, schedule: often }),
    write: (text: string) => writeFileSync(file, text),
    read: () => readFileSync(file, "utf8"),
    predict: (version?: string) =>
      ask({
        path: "/api/v1/predict",
        body: {
          model: "iris",
          features: [[5.1, 3.5, 1.4, 0.2]],
          ...(version === undefined ? {} : { model_version: version })
        }
      })
  }
})

/** Asks again and again until the answer is as expected. */
export const eventually = <A, E, R>(ask: Effect.Effect<A, E, R>, expected: (answer: A) => boolean) =>
  Effect.repeat(ask, { until: expected, schedule: often })
