import { assert, describe, it } from "@effect/vitest"
import { isLoopback } from "@sluice/server/config/Loopback"
import * as fc from "fast-check"

const mine = [
  "localhost",
  "LOCALHOST",
  "localhost.",
  "127.0.0.1",
  "127.255.255.254",
  "::1",
  "0:0:0:0:0:0:0:1",
  "0000::0001",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "::FFFF:127.8.9.10"
]

const everybodys = [
  "0.0.0.0",
  "::",
  "::0",
  "::ffff:0.0.0.0",
  "::ffff:10.0.0.1",
  "126.255.255.255",
  "128.0.0.1",
  "10.0.0.5",
  "fe80::1",
  "::2",
  "example.com",
  // Names, whatever they begin with; and numbers that are an address to some and a name to others.
  "127.example.com",
  "127.0.0.1.example.com",
  "localhost.example.com",
  "notlocalhost",
  "127.1",
  "2130706433",
  "0127.0.0.1",
  ""
]

describe("isLoopback", () => {
  it.each(mine)("%s is reached from this machine alone", (host) => assert.isTrue(isLoopback(host)))

  it.each(everybodys)("%s may be reached from others", (host) => assert.isFalse(isLoopback(host)))

  it("goes by the first byte of IPv4 addresses, mapped into IPv6 or not", () => {
    const byte = fc.integer({ min: 0, max: 255 })
    fc.assert(fc.property(byte, byte, byte, byte, (...bytes) => {
      const address = bytes.join(".")
      assert.strictEqual(isLoopback(address), bytes[0] === 127)
      assert.strictEqual(isLoopback(`::ffff:${address}`), bytes[0] === 127)
    }))
  })
})
