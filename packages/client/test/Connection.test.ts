/**
 * Addresses and headers that follow from a connection.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { accessHeaders, httpAddress, InvalidUrl, rpcAddress, rpcSocketAddress } from "../src/Connection.ts"

describe("a connection", () => {
  const addresses: ReadonlyArray<readonly [url: string, http: string, rpc: string, socket: string]> = [
    ["http://localhost:8000", "http://localhost:8000", "http://localhost:8000/rpc", "ws://localhost:8000/rpc/ws"],
    ["http://localhost:8000/", "http://localhost:8000", "http://localhost:8000/rpc", "ws://localhost:8000/rpc/ws"],
    ["https://example.com", "https://example.com", "https://example.com/rpc", "wss://example.com/rpc/ws"],
    ["https://a.b/ml//", "https://a.b/ml", "https://a.b/ml/rpc", "wss://a.b/ml/rpc/ws"],
    ["ws://[::1]:80", "http://[::1]", "http://[::1]/rpc", "ws://[::1]/rpc/ws"],
    [
      "wss://example.com:8443",
      "https://example.com:8443",
      "https://example.com:8443/rpc",
      "wss://example.com:8443/rpc/ws"
    ]
  ]

  it.each(addresses)("to %s has its addresses", (url, http, rpc, socket) => {
    assert.deepStrictEqual(
      [httpAddress({ url }), rpcAddress({ url }), rpcSocketAddress({ url })],
      [Result.succeed(http), Result.succeed(rpc), Result.succeed(socket)]
    )
  })

  it.each(["", "localhost:8000", "/rpc", "ftp://example.com", "http://"])("refuses %j", (url) => {
    assert.deepStrictEqual(rpcSocketAddress({ url }), Result.fail(new InvalidUrl({ url })))
  })

  it("carries its key, plain or redacted, and no header without one", () => {
    const url = "http://localhost:8000"
    assert.deepStrictEqual(accessHeaders({ url, token: "sesame" }), { authorization: "Bearer sesame" })
    assert.deepStrictEqual(accessHeaders({ url, token: Redacted.make("sesame") }), { authorization: "Bearer sesame" })
    assert.deepStrictEqual(accessHeaders({ url }), {})
    assert.deepStrictEqual(accessHeaders({ url, token: undefined }), {})
  })
})
