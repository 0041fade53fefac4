import { assert, describe, it } from "@effect/vitest"
import { boolean, bytes, choice, integer, modules, path, redisUrl, token } from "@sluice/server/config/SettingType"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"

describe("boolean", () => {
  it.each(["true", "1", "yes", "on", "TRUE", "Yes", true])("reads %j as true", (value) => {
    assert.deepStrictEqual(boolean.parse(value), Option.some(true))
  })

  it.each(["false", "0", "no", "off", "False", false])("reads %j as false", (value) => {
    assert.deepStrictEqual(boolean.parse(value), Option.some(false))
  })

  it.each(["", "2", "y", "enabled", null, {}, ["true", "x"]])("refuses %j", (value) => {
    assert.isTrue(Option.isNone(boolean.parse(value)))
  })
})

describe("integer", () => {
  const port = integer(0, 65_535)

  it("reads whole numbers within its bounds, as text or number, and nothing else", () => {
    fc.assert(fc.property(fc.integer({ min: -100_000, max: 100_000 }), (number) => {
      const expected = number >= 0 && number <= 65_535 ? Option.some(number) : Option.none()
      assert.deepStrictEqual(port.parse(number), expected)
      assert.deepStrictEqual(port.parse(String(number)), expected)
    }))
  })

  it.each(["", " 80", "80.5", 80.5, "8e3", "0x50", "eighty", "99999999999999999999", Number.NaN, true, null, [80]])(
    "refuses %j",
    (value) => assert.isTrue(Option.isNone(port.parse(value)))
  )
})

describe("bytes", () => {
  const size = bytes(1_024, 1024 ** 3)

  it.each([["1024", 1_024], [4_096, 4_096], ["8 MiB", 8_388_608], ["8MiB", 8_388_608], ["1 kB", undefined], [
    "2 kB",
    2_000
  ]])(
    "reads %j",
    (value, expected) => assert.deepStrictEqual(size.parse(value), Option.fromUndefinedOr(expected))
  )

  it.each(["", "8 megs", "-1", "1.5", "2 GiB", null])("refuses %j", (value) => {
    assert.isTrue(Option.isNone(size.parse(value)))
  })

  it("reads back what it prints", () => {
    fc.assert(fc.property(fc.integer({ min: 1_024, max: 1024 ** 3 }), (number) => {
      assert.deepStrictEqual(size.parse(size.print(number)), Option.some(number))
    }))
  })
})

describe("choice", () => {
  const level = choice(["debug", "info"])

  it("takes its words in any letter case, and no others", () => {
    assert.deepStrictEqual(level.parse("INFO"), Option.some("info"))
    for (const value of ["", "inf", "toString", null, 1]) assert.isTrue(Option.isNone(level.parse(value)))
  })
})

describe("path", () => {
  it.each([
    ["a.yaml", "config", "config/a.yaml"],
    ["../a.yaml", "config", "a.yaml"],
    ["/a.yaml", "config", "/a.yaml"],
    ["a.yaml", ".", "a.yaml"]
  ])("%s in %s is %s", (value, directory, expected) => {
    assert.strictEqual(path.rebase?.(value, directory), expected)
  })
})

describe("modules", () => {
  it("reads a list, or text with commas", () => {
    assert.deepStrictEqual(modules.parse(["a", "./b"]), Option.some(["a", "./b"]))
    assert.deepStrictEqual(modules.parse("a, ./b"), Option.some(["a", "./b"]))
  })

  it.each(["", "a,,b", [], [""], [1], { a: 1 }, null])("refuses %j", (value) => {
    assert.isTrue(Option.isNone(modules.parse(value)))
  })

  it("moves paths, leaves package names, and keeps the two apart", () => {
    const names = ["@sluice/plugin-text", "plugin", "./mine", "../../theirs", "/abs"]
    assert.deepStrictEqual(modules.rebase?.(names, "config"), [
      "@sluice/plugin-text",
      "plugin",
      "./config/mine",
      "../theirs",
      "/abs"
    ])
    assert.deepStrictEqual(modules.rebase?.(["./mine", "../mine"], "config/deeper"), [
      "./config/deeper/mine",
      "./config/mine"
    ])
  })
})

describe("token", () => {
  it.each(["", "a b", "tab\t", "é", "line\n", 5, null])("refuses %j, which no header can carry", (value) => {
    assert.isTrue(Option.isNone(token.parse(value)))
  })

  it("never prints what it holds", () => {
    const secret = Option.getOrThrow(token.parse("s3cret-key"))
    assert.strictEqual(Redacted.value(secret), "s3cret-key")
    assert.notInclude(token.print(secret), "s3cret")
    assert.notInclude(`${secret}${JSON.stringify(secret)}`, "s3cret")
  })
})

describe("redisUrl", () => {
  it.each([
    ["redis://localhost:6379/0", "redis://localhost:6379/0"],
    ["redis://me:s3cret@host:6380/2", "redis://<redacted>@host:6380/2"],
    ["rediss://:s3cret@host", "rediss://<redacted>@host"],
    ["redis://host/1?password=s3cret", "redis://host/1?<redacted>"]
  ])("prints %s without its secrets", (url, printed) => {
    assert.strictEqual(redisUrl.print(Option.getOrThrow(redisUrl.parse(url))), printed)
  })

  it.each(["", "localhost:6379", "http://localhost", "redis://", "redis:///0", "redis://host:port", 6379])(
    "refuses %j",
    (value) => assert.isTrue(Option.isNone(redisUrl.parse(value)))
  )
})
