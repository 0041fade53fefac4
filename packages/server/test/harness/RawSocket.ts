/**
 * A connection as bytes, for what no HTTP client would send.
 */
import * as Effect from "effect/Effect"
import { connect } from "node:net"

export interface RawOptions {
  readonly port: number
  readonly text: string
  /** Sent some time after the text. */
  readonly rest?: string
  /** Ends its side of the connection after the text. */
  readonly half?: boolean
  /** Closes the connection when this has come; the server's own end is waited for when it is left out. */
  readonly until?: (received: string) => boolean
}

/** Sends a text, and gives all that comes back until the connection ends. */
export const rawSocket = ({ half, port, rest, text, until }: RawOptions): Effect.Effect<string, Error> =>
  Effect.callback((resume) => {
    let received = ""
    const socket = connect(port, "127.0.0.1", () => {
      socket.setNoDelay()
      socket.write(text)
      if (rest !== undefined) setTimeout(() => socket.write(rest), 50)
      if (half === true) socket.end()
    })
    socket.setEncoding("latin1")
    socket.on("data", (chunk: string) => {
      received += chunk
      if (until?.(received) === true) socket.end()
    })
    socket.on("error", (error) => resume(Effect.fail(error)))
    socket.on("close", () => resume(Effect.succeed(received)))
    return Effect.sync(() => socket.destroy())
  })

/** One POST of a JSON text as bytes. */
export const rawPost = (path: string, body: string, headers: Readonly<Record<string, string>> = {}): string =>
  [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "",
    body
  ].join("\r\n")
