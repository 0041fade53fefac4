import { assert, describe, it } from "@effect/vitest"
import { addressOf, isPrivateAddress, redirectTarget } from "@sluice/core/store/Addresses"
import * as Result from "effect/Result"
import * as fc from "fast-check"

describe("isPrivateAddress", () => {
  it("knows loopback, private, link-local and metadata addresses, however they are carried", () => {
    for (
      const address of [
        "0.0.0.0",
        "10.1.2.3",
        "100.100.100.200",
        "127.255.0.1",
        "169.254.169.254",
        "172.31.255.255",
        "192.168.1.1",
        "::",
        "::1",
        "fd00:ec2::254",
        "fe80::1%eth0",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "2002:7f00:1::",
        "not an address"
      ]
    ) assert.isTrue(isPrivateAddress(address), address)
    for (const address of ["1.1.1.1", "140.82.121.3", "::ffff:1.1.1.1", "2606:4700:4700::1111"]) {
      assert.isFalse(isPrivateAddress(address), address)
    }
  })

  it("tells the same of an IPv4 address and of the IPv6 one that maps it", () => {
    fc.assert(fc.property(fc.ipV4(), (address) => {
      assert.strictEqual(isPrivateAddress(`::ffff:${address}`), isPrivateAddress(address))
    }))
  })
})

describe("an address in a URL", () => {
  it.each(["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"])(
    "is seen through its spelling %s",
    (host) => {
      assert.isTrue(isPrivateAddress(addressOf(new URL(`https://${host}/`).hostname) ?? "a name"))
    }
  )
})

describe("redirectTarget", () => {
  const from = new URL("https://hub.example/model.onnx")
  const target = (location: string | undefined) =>
    Result.match(redirectTarget(from, location), { onSuccess: ({ href }) => href, onFailure: (reason) => reason })

  it("follows https, relative to where it stands", () => {
    assert.strictEqual(target("/files/1"), "https://hub.example/files/1")
    assert.strictEqual(target("https://files.example/1"), "https://files.example/1")
  })

  it.each([
    [undefined, /to nowhere/],
    ["http://hub.example/1", /from https: to http:/],
    ["file:///etc/passwd", /to file:/],
    ["https://ann:hush@files.example/1", /a password in it/]
  ])("does not follow %s", (location, says) => {
    assert.match(target(location), says)
  })
})
