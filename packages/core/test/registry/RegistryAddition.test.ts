import { assert, describe, it } from "@effect/vitest"
import { type Addition, addVersion } from "@sluice/core/registry/RegistryAddition"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parse } from "yaml"

const shipped = readFileSync(
  fileURLToPath(new URL("../../../../config/model_registry.yaml", import.meta.url)),
  "utf8"
)

const addition: Addition = {
  model: "wine",
  version: "v1",
  entry: { path: "models/wine/model.onnx", precision: "fp32" },
  replace: false
}

const added = (text: string, changes: Partial<Addition> = {}): string =>
  Result.match(addVersion(text, "registry.yaml", { ...addition, ...changes }), {
    onSuccess: (text) => text,
    onFailure: ({ message }) => `refused: ${message}`
  })

/** The lines that one has and the other has not, in their order. */
const newLines = (before: string, after: string): ReadonlyArray<string> => {
  const rest = before.split("\n")
  return after.split("\n").filter((line) => {
    if (line !== rest[0]) return true
    rest.shift()
    return false
  })
}

describe("addVersion", () => {
  it("adds a model after the others, and touches no line of them", () => {
    const text = added(shipped)
    assert.deepStrictEqual(newLines(shipped, text), [
      "  wine:",
      "    default_version: \"v1\"",
      "    versions:",
      "      v1:",
      "        path: \"models/wine/model.onnx\"",
      "        precision: \"fp32\""
    ])
    assert.deepStrictEqual(parse(text).models.sentiment, parse(shipped).models.sentiment)
  })

  it("adds a version after the model's others, and leaves its default", () => {
    const text = added(shipped, { model: "iris", version: "v2" })
    assert.deepStrictEqual(newLines(shipped, text), [
      "      v2:",
      "        path: \"models/wine/model.onnx\"",
      "        precision: \"fp32\""
    ])
    assert.strictEqual(parse(text).models.iris.default_version, "v1")
  })

  it("keeps comments, and spaces that a formatter would not", () => {
    const text = [
      "# The models",
      "models:",
      "    iris:   # small",
      "        default_version:   v1",
      "        versions:",
      "            v1: {path: 'a.onnx'}   # the first",
      "",
      "    # later",
      "    # sentiment:",
      ""
    ].join("\n")
    assert.deepStrictEqual(newLines(text, added(text, { model: "iris", version: "v2" })), [
      "            v2:",
      "              path: \"models/wine/model.onnx\"",
      "              precision: \"fp32\""
    ])
  })

  it("writes what is on one line or not there yet, too", () => {
    for (const text of ["", "models:\n", "models: {}\n", "# none yet\n", "default_model: wine\n"]) {
      assert.deepStrictEqual(parse(added(text)).models.wine, {
        default_version: "v1",
        versions: { v1: addition.entry }
      })
    }
    const inline = "models: { iris: { default_version: v1, versions: { v1: { path: a.onnx } } } } # all\n"
    const text = added(inline, { model: "iris", version: "v2" })
    assert.deepStrictEqual(parse(text).models.iris.versions, { v1: { path: "a.onnx" }, v2: addition.entry })
    assert.include(text, "# all")
    assert.isUndefined(parse(added(inline.trimEnd(), { model: "wine" })).models.wine.versions.v2)
  })

  it("keeps every character of what is written between braces", () => {
    const text =
      "{\n  models: {\n    iris: {\n      default_version: v1,\n      versions: {\n        v1: {path: 'a'}, # c\n" +
      "      }\n    }\n  }\n}\n"
    const versions = "v2: { path: \"models/wine/model.onnx\", precision: \"fp32\" }"
    assert.strictEqual(
      added(text, { model: "iris", version: "v2" }),
      text.replace("v1: {path: 'a'}", `v1: {path: 'a'}, ${versions}`)
    )
    assert.strictEqual(
      added(text, { model: "iris", version: "v1", replace: true }),
      text.replace("v1: {path: 'a'}", versions.replace("v2", "v1"))
    )
  })

  it("writes the first model on lines of its own, and keeps the comments", () => {
    const lines = "  wine:\n    default_version: \"v1\"\n    versions:\n      v1:\n" +
      "        path: \"models/wine/model.onnx\"\n        precision: \"fp32\"\n"
    assert.strictEqual(added("# ours\nmodels: {} # none yet\n# end\n"), `# ours\nmodels: # none yet\n${lines}# end\n`)
    assert.strictEqual(added("models:\n  # none yet\n"), `models:\n${lines}  # none yet\n`)
    assert.strictEqual(added("# none yet\n"), `# none yet\n\nmodels:\n${lines}`)
  })

  it("ends lines as the text does", () => {
    const windows = (text: string) => text.replaceAll("\n", "\r\n")
    for (const text of [shipped, "# none yet\n", "models: {}\n", "{ models: {} }\n"]) {
      assert.strictEqual(added(windows(text)), windows(added(text)))
    }
  })

  it("changes no other model that is an alias of this one, or of a part of it", () => {
    const whole =
      "models:\n  iris: &iris\n    default_version: v1\n    versions:\n      v1: { path: a }\n  copy: *iris\n"
    assert.match(added(whole, { model: "iris", version: "v2" }), /^refused: registry\.yaml:2: .*write the alias out/)
    const part = whole.replace(" &iris", "").replace("versions:", "versions: &all")
      .replace("copy: *iris", "copy: { default_version: v1, versions: *all }")
    assert.match(added(part, { model: "iris", version: "v2" }), /write the alias out/)
    const replaced = whole.replace(" &iris", "").replace("v1: {", "v1: &v {")
      .replace("copy: *iris", "copy: { default_version: v1, versions: { v1: *v } }")
    assert.match(added(replaced, { model: "iris", replace: true }), /write the alias out/)
    assert.deepStrictEqual(parse(added(replaced, { model: "iris", version: "v2" })).models.copy.versions, {
      v1: { path: "a" }
    })
  })

  it("refuses a version that is there, with its line, unless it is to be replaced", () => {
    assert.match(
      added(shipped, { model: "iris" }),
      /^refused: registry\.yaml:\d+: model "iris" has a version "v1" already: .*--replace/
    )
    const text = added(shipped, { model: "iris", replace: true })
    assert.deepStrictEqual(parse(text).models.iris.versions, { v1: addition.entry })
    assert.deepStrictEqual(parse(text).models["breast-cancer"], parse(shipped).models["breast-cancer"])
    assert.include(text, "# Computed sooner than a cached answer is looked up")
  })

  it("replaces a version that is not the last", () => {
    const text = added(shipped, { model: "sentiment", version: "v1", replace: true })
    assert.deepStrictEqual(Object.keys(parse(text).models.sentiment.versions), ["v1", "v2"])
    assert.deepStrictEqual(parse(text).models.sentiment.versions.v1, addition.entry)
    assert.deepStrictEqual(parse(text).models.sentiment.versions.v2, parse(shipped).models.sentiment.versions.v2)
  })

  it("refuses what it could not write without loss", () => {
    assert.match(added("- a\n- b\n"), /^refused: .*not a registry/)
    assert.match(added("models: [\n"), /^refused: .*not valid YAML/)
    const alias = "models:\n  iris: &iris { default_version: v1, versions: { v1: { path: a } } }\n  wine: *iris\n"
    assert.match(added(alias, { version: "v2" }), /^refused: .*by hand/)
  })

  it("changes nothing but what was added, whatever the registry", () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9._-]{0,6}$/).filter((name) => name !== "__proto__")
    const version = fc.record({
      path: fc.string({ minLength: 1, maxLength: 12 }),
      description: fc.string({ maxLength: 20 })
    })
    const model = fc.record({
      default_version: name,
      versions: fc.dictionary(name, version, { minKeys: 1, maxKeys: 3, noNullPrototype: true })
    })
    const registry = fc.record({ models: fc.dictionary(name, model, { maxKeys: 4, noNullPrototype: true }) })
    fc.assert(fc.property(registry, name, name, fc.boolean(), (registry, model, version, onOneLine) => {
      const text = onOneLine ? JSON.stringify(registry) : toYaml(registry)
      const after = parse(added(text, { model, version, replace: true }))
      const expected = structuredClone(registry)
      const known = expected.models[model]
      if (known === undefined) {
        Object.assign(expected.models, {
          [model]: { default_version: version, versions: { [version]: addition.entry } }
        })
      } else Object.assign(known.versions, { [version]: addition.entry })
      assert.deepStrictEqual(after, expected)
    }))
  })
})

/** As somebody writes it who does not know our layout: three spaces, and a comment a model. */
const toYaml = (
  { models }: {
    readonly models: Readonly<
      Record<string, { readonly default_version: string; readonly versions: Readonly<Record<string, object>> }>
    >
  }
): string =>
  [
    `models:${Object.keys(models).length === 0 ? " {}" : ""}`,
    ...Object.entries(models).flatMap(([name, model]) => [
      "   # one of them",
      `   ${JSON.stringify(name)}:`,
      `      default_version: ${JSON.stringify(model.default_version)}`,
      "      versions:",
      ...Object.entries(model.versions).map(([version, entry]) =>
        `         ${JSON.stringify(version)}: ${JSON.stringify(entry)}`
      )
    ]),
    "# the end",
    ""
  ].join("\n")
