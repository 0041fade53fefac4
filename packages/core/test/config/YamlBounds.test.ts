import { assert, describe, it } from "@effect/vitest"
import { mostMarks, tooMuchYaml } from "@sluice/core/config/YamlBounds"

const mebibyte = 1024 * 1024
const filled = (line: string, before = ""): string =>
  before + line.repeat(Math.floor((mebibyte - before.length) / line.length))

describe("tooMuchYaml", () => {
  it.each([
    ["keys in one line", "a: ".repeat(300_000)],
    ["comments", filled("#\n")],
    ["aliases", filled("*a,", "a: &a [1]\nb: [")],
    ["items", filled("- ")],
    ["empty lines", filled("\n")],
    ["lines of text", filled("x\n")],
    ["tags", filled("! ")],
    ["anchors", filled("&a ")],
    ["quotes", filled("\"a\" ")],
    ["directives", filled("%\n")]
  ])("refuses a mebibyte of %s", (_, text) => {
    assert.include(tooMuchYaml(text), `more than ${mostMarks} keys`)
  })

  it("refuses brackets that are nested deep, and takes many beside each other", () => {
    assert.include(tooMuchYaml("[".repeat(101)), "nested more than 100 deep")
    assert.include(tooMuchYaml("a: ".concat("{a: [".repeat(51))), "nested more than 100 deep")
    assert.isUndefined(tooMuchYaml("[[]]\n".repeat(10_000)))
  })

  it("takes a registry of a mebibyte, with comments and quotes", () => {
    const model = [
      "  sentiment_model_1234:",
      "    default_version: v1",
      "    description: \"what it is for, in a sentence\"",
      "    limits: { tokens: 1000000/min, concurrent: 64 }",
      "    versions:",
      "      # from the hub, at its first commit",
      "      v1: { path: models/sentiment_v1/model.onnx }",
      ""
    ].join("\n")
    assert.isUndefined(tooMuchYaml(filled(model, "models:\n")))
  })
})
