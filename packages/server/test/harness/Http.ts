/**
 * HTTP as bytes: what is sent is what the test says, and what comes back is not touched.
 */
import * as Effect from "effect/Effect"
import { type ClientRequest, request as nodeRequest } from "node:http"
import { request as tlsRequest } from "node:https"
import { TestServer } from "./ServerProcess.ts"

type Body = string | Uint8Array | ReadonlyArray<string | Uint8Array> | Readonly<Record<string, unknown>>

export interface HttpCall {
  readonly port: number
  /** Over TLS, trusting this certificate alone; plain when left out. */
  readonly ca?: string
  readonly path: string
  /** POST with a body, else GET, when left out. */
  readonly method?: string
  /** A body has `content-type: application/json` unless these say otherwise. */
  readonly headers?: Readonly<Record<string, string>>
  /** Objects are sent as JSON, and chunks without a content-length. */
  readonly body?: Body | undefined
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Buffer
  readonly text: string
  /** The body's JSON. */
  readonly json: () => unknown
}

const isChunks = (body: Body): body is ReadonlyArray<string | Uint8Array> => Array.isArray(body)

const send = (request: ClientRequest, body: Body | undefined): void => {
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) {
    request.end(body)
  } else if (isChunks(body)) {
    for (const chunk of body) request.write(chunk)
    request.end()
  } else {
    request.end(JSON.stringify(body))
  }
}

/** Makes one call on a connection of its own. Interrupting it closes the connection, as a client that leaves does. */
export const http = ({ body, ca, headers, method, path, port }: HttpCall): Effect.Effect<HttpAnswer, Error> =>
  Effect.callback((resume) => {
    const request = (ca === undefined ? nodeRequest : tlsRequest)({
      ...(ca === undefined ? {} : { ca }),
      port,
      path,
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      agent: false
    })
    request.on("response", (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", (error) => resume(Effect.fail(error)))
      response.on("end", () => {
        const bytes = Buffer.concat(chunks)
        const text = bytes.toString()
        resume(Effect.succeed({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(
            Object.entries(response.headers).map(([name, value]) => [name, String(value)])
          ),
          bytes,
          text,
          json: () => JSON.parse(text)
        }))
      })
    })
    request.on("error", (error) => resume(Effect.fail(error)))
    send(request, body)
    return Effect.sync(() => request.destroy())
  })

/** Makes one call to the server that the block shares. */
export const call = (options: Omit<HttpCall, "port">) =>
  Effect.flatMap(TestServer, ({ port }) => http({ port, ...options }))
