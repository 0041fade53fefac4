import { assert, describe, it } from "@effect/vitest"
import { ConfigError } from "@sluice/core/config/ConfigError"
import { parseYaml } from "@sluice/core/config/YamlDocument"
import { decodeYaml, readYaml } from "@sluice/core/config/YamlFile"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as NodeFs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const Shape = Schema.Struct({
  name: Schema.String,
  count: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 }))),
  on: Schema.optionalKey(Schema.Boolean),
  status: Schema.optionalKey(Schema.Literals(["active", "retired"])),
  list: Schema.optionalKey(Schema.Array(Schema.Finite)),
  by_name: Schema.optionalKey(Schema.Record(Schema.String, Schema.Struct({ path: Schema.String }))),
  kind: Schema.optionalKey(Schema.Union([
    Schema.Struct({ type: Schema.Literal("round"), radius: Schema.Finite }),
    Schema.Struct({ type: Schema.Literal("square"), side: Schema.Finite })
  ]))
})

const decode = (text: string) => Result.flatMap(parseYaml(text, "some.yaml"), (document) => decodeYaml(Shape, document))

const complaint = (text: string): string => {
  const result = decode(text)
  assert.isTrue(Result.isFailure(result), "a mistake was expected")
  return Result.isFailure(result) ? result.failure.message : ""
}

describe("decodeYaml", () => {
  it("decodes what has the shape", () => {
    assert.deepStrictEqual(
      Result.getOrThrow(decode("name: x\ncount: 3\nkind: { type: round, radius: 2 }\n")),
      { name: "x", count: 3, kind: { type: "round", radius: 2 } }
    )
  })

  it.each([
    ["name: 1.0", "some.yaml:1: name: expected text, got 1: put it in quotes"],
    ["name: true", "some.yaml:1: name: expected text, got true: put it in quotes"],
    ["name:", "some.yaml:1: name: expected text, got nothing"],
    ["{}", "some.yaml:1: name: this field is required"],
    ["", "some.yaml:1: expected a mapping, got nothing"],
    ["- x", "some.yaml:1: expected a mapping, got a list"],
    ["name: x\ncount: \"3\"", "some.yaml:2: count: expected a number, got \"3\": leave the quotes out"],
    ["name: x\ncount: 1.5", "some.yaml:2: count: expected an integer, got 1.5"],
    ["name: x\ncount: 10.5", "some.yaml:2: count: expected an integer, got 10.5"],
    ["name: x\ncount: 10", "some.yaml:2: count: expected a value between 1 and 9, got 10"],
    ["name: x\non: \"true\"", "some.yaml:2: on: expected true or false, got \"true\": leave the quotes out"],
    ["name: x\non: yes", "some.yaml:2: on: expected true or false, got \"yes\""],
    [
      "name: x\nstatus: retird",
      "some.yaml:2: status: expected \"active\" | \"retired\", got \"retird\" (did you mean \"retired\"?)"
    ],
    ["name: x\nstatus: 3", "some.yaml:2: status: expected \"active\" | \"retired\", got 3"],
    ["name: x\nlist:\n  - 1\n  - two", "some.yaml:4: list[1]: expected a number, got \"two\""],
    ["name: x\nlist: .nan", "some.yaml:2: list: expected a list, got NaN"],
    ["name: x\nby_name:\n  a: { path: 1 }", "some.yaml:3: by_name.a.path: expected text, got 1: put it in quotes"],
    [
      "name: x\nby_name:\n  a: { pth: x, path: y }",
      "some.yaml:3: by_name.a.pth: unknown field (did you mean \"path\"?)"
    ],
    [
      "name: x\nunheard: 1",
      "some.yaml:2: unheard: unknown field: the fields here are name, count, on, status, list, by_name, kind"
    ],
    [
      "name: x\nkind: { type: roud }",
      "some.yaml:2: kind.type: expected \"round\" | \"square\", got \"roud\" (did you mean \"round\"?)"
    ],
    ["name: x\nkind: { }", "some.yaml:2: kind.type: expected \"round\" | \"square\", got nothing"],
    ["name: x\nkind: 4", "some.yaml:2: kind: expected a mapping, got 4"],
    ["name: x\nkind: { type: round }", "some.yaml:2: kind.radius: this field is required"],
    [
      "name: x\nkind: { type: round, radius: 1, side: 1 }",
      "some.yaml:2: kind.side: unknown field: the fields here are type, radius"
    ]
  ])("says of %j what is wrong", (text, sentence) => {
    assert.strictEqual(complaint(text), sentence)
  })

  it("lists every mistake, one a line, in the order of the file", () => {
    assert.strictEqual(
      complaint("count: 0\non: 5\nzzz: 1\nlist: [a, b]\n"),
      [
        "some.yaml:1: name: this field is required",
        "some.yaml:1: count: expected a value between 1 and 9, got 0",
        "some.yaml:2: on: expected true or false, got 5",
        "some.yaml:3: zzz: unknown field: the fields here are name, count, on, status, list, by_name, kind",
        "some.yaml:4: list[0]: expected a number, got \"a\"",
        "some.yaml:4: list[1]: expected a number, got \"b\""
      ].join("\n")
    )
  })

  it("bounds how many mistakes and how much of a value it shows", () => {
    const many = complaint(`name: x\nlist:\n${"  - a\n".repeat(50)}`).split("\n")
    assert.strictEqual(many.length, 21)
    assert.strictEqual(many.at(-1), "… and 30 more")
    assert.isBelow(complaint(`name: x\ncount: ${"y".repeat(10_000)}`).length, 160)
  })
})

describe("readYaml", () => {
  const directory = NodeFs.mkdtempSync(join(tmpdir(), "sluice-yaml-"))
  const write = (name: string, text: string): string => {
    const file = join(directory, name)
    NodeFs.writeFileSync(file, text)
    return file
  }

  it.effect("reads a file", () =>
    Effect.gen(function*() {
      const file = write("good.yaml", "a: 1\n")
      const document = yield* readYaml(file)
      assert.deepStrictEqual(document.value, { a: 1 })
      assert.strictEqual(document.file, file)
    }))

  it.effect("says why a file cannot be read, and keeps the cause", () =>
    Effect.gen(function*() {
      const missing = yield* Effect.flip(readYaml(join(directory, "none.yaml")))
      assert.instanceOf(missing, ConfigError)
      assert.strictEqual(missing.message, `${join(directory, "none.yaml")}: this file does not exist`)
      assert.instanceOf(missing.cause, Error)
      const folder = yield* Effect.flip(readYaml(directory))
      assert.strictEqual(folder.message, `${directory}: this is a directory, not a file`)
    }))

  it.effect("refuses a file too large to be a configuration before it reads it", () =>
    Effect.gen(function*() {
      const file = write("model.onnx", "")
      NodeFs.truncateSync(file, 5 * 1024 * 1024)
      const error = yield* Effect.flip(readYaml(file))
      assert.include(error.message, "is it a YAML file?")
    }))

  it.effect("names the file as it was given, with the line", () =>
    Effect.gen(function*() {
      const file = write("bad.yaml", "a: 1\nb: [\n")
      const error = yield* Effect.flip(readYaml(file))
      assert.match(error.message, /bad\.yaml:[23]: not valid YAML: /)
    }))
})
