/**
 * Where a server is and how callers show who they are; its transports' addresses are made from it. Pure.
 */
import * as Data from "effect/Data"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

export interface Connection {
  /** The server's base, `http://localhost:8000`. A path stays in front of the server's own, for those behind a proxy. */
  readonly url: string
  /** The server's AUTH_TOKEN or one of its keys, where it asks for one. */
  readonly token?: string | Redacted.Redacted<string> | undefined
}

/** The base URL is not one. */
export class InvalidUrl extends Data.TaggedError("InvalidUrl")<{ readonly url: string }> {
  override get message() {
    return `"${this.url}" is not the URL of a server: expected one such as http://localhost:8000`
  }
}

/** A server's path as an address of the scheme `http:` or `ws:`, or their TLS forms if the base has one. */
const addressOf = (connection: Connection, scheme: "http" | "ws", path: string): Result.Result<string, InvalidUrl> => {
  const base = URL.parse(connection.url)
  const secure = base?.protocol === "https:" || base?.protocol === "wss:"
  const plain = base?.protocol === "http:" || base?.protocol === "ws:"
  if (base === null || !(secure || plain)) return Result.fail(new InvalidUrl({ url: connection.url }))
  const prefix = base.pathname.replace(/\/+$/, "")
  return Result.succeed(`${scheme}${secure ? "s" : ""}://${base.host}${prefix}${path}`)
}

/** Where HTTP calls go to. */
export const httpAddress = (connection: Connection) => addressOf(connection, "http", "")

/** Where RPC over HTTP goes to. */
export const rpcAddress = (connection: Connection) => addressOf(connection, "http", "/rpc")

/** Where RPC over a WebSocket goes to. */
export const rpcSocketAddress = (connection: Connection) => addressOf(connection, "ws", "/rpc/ws")

/** What each call carries: the key in the one header that every proxy knows, and nothing without a key. */
export const accessHeaders = ({ token }: Connection): Readonly<Record<string, string>> =>
  token === undefined ? {} : { authorization: `Bearer ${Redacted.isRedacted(token) ? Redacted.value(token) : token}` }
