import { assert, describe, it } from "@effect/vitest"
import { parseYaml } from "@sluice/core/config/YamlDocument"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { stringify } from "yaml"

const parse = (text: string) => Result.getOrThrow(parseYaml(text, "some.yaml"))

const complaint = (text: string): string => {
  const result = parseYaml(text, "some.yaml")
  assert.isTrue(Result.isFailure(result), "a mistake was expected")
  return Result.isFailure(result) ? result.failure.message : ""
}

describe("parseYaml", () => {
  it("gives the value of a text", () => {
    assert.deepStrictEqual(parse("a: { b: [1, \"2\", true, null, 1.5] }\n").value, {
      a: { b: [1, "2", true, null, 1.5] }
    })
    assert.isNull(parse("").value)
    assert.isNull(parse("# nothing but a comment\n").value)
  })

  it("reads back any JSON value", () => {
    const json = fc.jsonValue({ maxDepth: 4 }).filter((value) => !JSON.stringify(value).includes("__proto__"))
    fc.assert(fc.property(json, (value) => {
      assert.strictEqual(
        JSON.stringify(parse(stringify(value)).value),
        JSON.stringify(JSON.parse(JSON.stringify(value)))
      )
    }))
  })

  it("follows aliases", () => {
    assert.deepStrictEqual(parse("a: &x { n: 1 }\nb: *x\n").value, { a: { n: 1 }, b: { n: 1 } })
  })

  it.each([
    ["a: {x: [}\n", "some.yaml:1: not valid YAML: "],
    ["a:\n\tb: 1\n", "some.yaml:2: not valid YAML: Tabs are not allowed as indentation"],
    ["a: 1\n---\nb: 2\n", "some.yaml:2: not valid YAML: a second document starts here (---), and one is expected"],
    ["a: \"x\n", "some.yaml:2: not valid YAML: Missing closing \"quote"],
    ["? [x]\n: 3\n", "some.yaml:1: not valid YAML: a key must be text, not a list or a mapping"],
    [
      "a: *nope\n",
      "some.yaml:1: a: there is no anchor (&) of this alias's name before it: put text that begins with * in quotes"
    ],
    ["a: &a [1, *a]\n", "some.yaml:1: a[1]: *a refers to a value that this is a part of"],
    ["a: 1\n__proto__: { x: 1 }\n", "some.yaml:2: __proto__: this name cannot be used"]
  ])("refuses %j", (text, sentence) => {
    assert.isTrue(complaint(text).startsWith(sentence), complaint(text))
  })

  it("names both lines of a key given twice, wherever it is", () => {
    const text = "models:\n  a: {}\n  b: { c: 1, c: 2 }\n  a: {}\nmodels: {}\n"
    assert.strictEqual(
      complaint(text),
      [
        "some.yaml:3: models.b.c: there are two of this name, on lines 3 and 3: rename or remove one",
        "some.yaml:4: models.a: there are two of this name, on lines 2 and 4: rename or remove one",
        "some.yaml:5: models: there are two of this name, on lines 1 and 5: rename or remove one"
      ].join("\n")
    )
  })

  it("takes a number and the same digits in quotes for one name", () => {
    assert.include(complaint("1: a\n\"1\": b\n"), "some.yaml:2: 1: there are two of this name, on lines 1 and 2")
  })

  it("refuses a bomb of aliases instead of filling the memory", () => {
    const levels = Array.from({ length: 9 }, (_, level) => {
      const before = level === 0 ? "lol" : `*x${level - 1}`
      return `x${level}: &x${level} [${Array.from({ length: 10 }, () => before).join(", ")}]`
    })
    assert.strictEqual(complaint(levels.join("\n")), "some.yaml: its aliases (*name) multiply to more than 100 values")
  })

  it("refuses more aliases than anybody writes, before it follows them", () => {
    const text = `x: &a { b: 1 }\nlist:\n${"  - *a\n".repeat(20_000)}`
    assert.strictEqual(
      complaint(text),
      "some.yaml:1003: list[1000]: there are more than 1000 aliases (*name) up to here"
    )
  })

  it("takes an alias for the nearest anchor of its name before it", () => {
    const text = "a: &x { n: 1 }\nb: *x\nc: &x { n: 2 }\nd: *x\n"
    assert.deepStrictEqual(parse(text).value, { a: { n: 1 }, b: { n: 1 }, c: { n: 2 }, d: { n: 2 } })
    assert.deepStrictEqual([parse(text).lineOf(["b", "n"]), parse(text).lineOf(["d", "n"])], [1, 3])
  })

  it.each([65, 1_000, 20_000])("refuses %d levels of nesting without overflowing the stack", (depth) => {
    assert.match(complaint(`a: ${"[".repeat(depth)}${"]".repeat(depth)}`), /nested/)
  })
})

describe("lineOf", () => {
  it("is the line of the key or the item, or of the nearest parent that is there", () => {
    const document = parse("# comment\na:\n  b: 1\n  list:\n    - x\n    - y: 2\n\nc: &c { d: 1 }\ne: *c\n")
    assert.strictEqual(document.lineOf(["a"]), 2)
    assert.strictEqual(document.lineOf(["a", "b"]), 3)
    assert.strictEqual(document.lineOf(["a", "list", 1]), 6)
    assert.strictEqual(document.lineOf(["a", "list", 1, "y"]), 6)
    assert.strictEqual(document.lineOf(["a", "missing", "deeper"]), 2)
    assert.strictEqual(document.lineOf(["a", "list", 7]), 4)
    assert.strictEqual(document.lineOf(["e", "d"]), 8)
    assert.strictEqual(document.lineOf([]), 2)
  })

  it("points at the line that holds the key, in any mapping", () => {
    const key = fc.stringMatching(/^[a-z]{1,6}$/)
    const size = { minKeys: 1, maxKeys: 4 }
    const tree = fc.dictionary(key, fc.dictionary(key, fc.dictionary(key, fc.integer(), size), size), size)
    fc.assert(fc.property(tree, (value) => {
      const text = stringify(value)
      const lines = text.split("\n")
      const document = parse(text)
      for (const [a, inner] of Object.entries(value)) {
        for (const [b, leaves] of Object.entries(inner)) {
          assert.strictEqual(lines[document.lineOf([a, b]) - 1], `  ${stringify({ [b]: {} }).replace(" {}\n", "")}`)
          for (const [c, leaf] of Object.entries(leaves)) {
            assert.strictEqual(lines[document.lineOf([a, b, c]) - 1], `    ${stringify({ [c]: leaf }).trimEnd()}`)
          }
        }
      }
    }))
  })
})
