import { assert, describe, it } from "@effect/vitest"
import { checkRepository } from "../Repository.ts"

const manifest = (name: string, ...dependencies: ReadonlyArray<string>) =>
  JSON.stringify({
    name,
    exports: { ".": "./src/main.ts", "./*": "./src/*.ts" },
    dependencies: Object.fromEntries(dependencies.map((each) => [each, "0.1.0"]))
  })

const house = {
  "packages/domain/package.json": manifest("@sluice/domain", "effect", "yaml"),
  "packages/plugin-sdk/package.json": manifest("@sluice/plugin-sdk", "@sluice/domain", "effect"),
  "packages/core/package.json": manifest("@sluice/core", "@sluice/domain", "@sluice/plugin-sdk", "effect"),
  "packages/api/package.json": manifest("@sluice/api", "@sluice/domain", "effect"),
  "packages/server/package.json": manifest("@sluice/server", "@sluice/api", "@sluice/core", "@sluice/domain", "effect"),
  "packages/client/package.json": manifest("@sluice/client", "@sluice/api", "@sluice/domain", "effect"),
  "packages/cli/package.json": manifest("@sluice/cli", "@sluice/client", "@sluice/server", "@sluice/core", "effect"),
  "packages/console/package.json": manifest("@sluice/console", "@sluice/api"),
  "plugins/onnx/package.json": manifest("@sluice/plugin-onnx", "@sluice/plugin-sdk", "@sluice/core", "effect"),
  "plugins/text/package.json": manifest("@sluice/plugin-text", "@sluice/plugin-onnx", "@sluice/plugin-sdk", "effect")
}

const check = (files: Readonly<Record<string, string>>) => {
  const all: Record<string, string> = { ...house, ...files }
  return checkRepository(Object.keys(all), (path) => all[path]!)
}

const problem = (files: Readonly<Record<string, string>>): string => {
  const { problems } = check(files)
  assert.strictEqual(problems.length, 1, problems.join("\n"))
  return problems[0]!
}

describe("import directions", () => {
  it("lets every arrow of the table pass", () => {
    const { problems } = check({
      "packages/domain/src/Ids.ts": `import * as Schema from "effect/Schema"`,
      "packages/plugin-sdk/src/Plugin.ts": `import { Ids } from "@sluice/domain/Ids"`,
      "packages/core/src/batching/Batcher.ts":
        `import "node:fs"\nimport "@sluice/plugin-sdk"\nimport "@sluice/domain/Ids"\nimport "../Inference.ts"`,
      "packages/core/src/Inference.ts": `import * as Effect from "effect/Effect"`,
      "packages/api/src/Api.ts": `import "@sluice/domain/Ids"`,
      "packages/server/src/main.ts": `import "@sluice/core/Inference"\nimport "@sluice/api/Api"`,
      "packages/client/src/Client.ts": `import "@sluice/api/Api"`,
      "packages/cli/src/main.ts": `import "@sluice/client"\nimport "@sluice/server/main"`,
      "packages/console/src/Page.ts": `import type { Api } from "@sluice/api/Api"`,
      "plugins/onnx/src/main.ts": `import "@sluice/plugin-sdk"`,
      "plugins/text/src/main.ts": `import "@sluice/plugin-onnx"`
    })
    assert.deepStrictEqual(problems, [])
  })

  it.each([
    ["packages/domain", "Ids.ts", `import "@sluice/core/Inference"`, "no package of ours"],
    ["packages/domain", "Ids.ts", `import "yaml"`, "only effect"],
    ["packages/domain", "Ids.ts", `import "node:fs"`, "only effect"],
    [
      "packages/plugin-sdk",
      "Plugin.ts",
      `import type { X } from "@sluice/core/Inference"`,
      "may import @sluice/domain"
    ],
    ["packages/core", "Inference.ts", `export * from "@sluice/server/main"`, "may import @sluice/domain"],
    ["packages/core", "Inference.ts", `const x = await import("@sluice/api/Api")`, "may import @sluice/domain"],
    ["packages/core", "Inference.ts", `type X = import("@sluice/api/Api").X`, "may import @sluice/domain"],
    ["packages/core", "Inference.ts", `new Worker(new URL("../../api/src/W.ts", import.meta.url))`, "may not leave"],
    ["packages/core", "Inference.ts", `import "../../domain/src/Ids.ts"`, "may not leave packages/core"],
    ["packages/core", "Inference.ts", `import "@sluice/core/Other"`, "by relative path"],
    ["packages/core", "Inference.ts", `import "@sluice/nothing"`, "no package @sluice/nothing"],
    ["packages/core", "Inference.ts", `import "left-pad"`, "not in the dependencies"],
    ["packages/server", "main.ts", `import "@sluice/client"`, "may import"],
    ["packages/client", "Client.ts", `import "@sluice/core/Inference"`, "may import"],
    ["packages/console", "Page.ts", `import { Api } from "@sluice/api/Api"`, "types only"],
    ["plugins/onnx", "main.ts", `import "@sluice/core/Inference"`, "may import"],
    ["plugins/text", "main.ts", `import "@sluice/plugin-onnx/Session"`, "names, one by one, in its exports"]
  ])("refuses in %s/src/%s: %s", (home, file, text, reason) => {
    assert.include(problem({ [`${home}/src/${file}`]: text }), reason)
  })

  it("names the file, the line and the import", () => {
    assert.match(
      problem({ "packages/api/src/Api.ts": `// a remark\nimport "@sluice/core/Inference"` }),
      /^packages\/api\/src\/Api\.ts:2 imports "@sluice\/core\/Inference": /
    )
  })

  it("lets tests import what they like", () => {
    const text = `import "@sluice/server/main"\nimport "../../server/src/main.ts"\nimport "left-pad"`
    assert.deepStrictEqual(check({ "packages/domain/test/Ids.test.ts": text }).problems, [])
  })

  it("asks for a row in the table for a new package", () => {
    assert.include(problem({ "packages/extra/package.json": manifest("@sluice/extra") }), "no row")
  })
})

describe("import cycles", () => {
  const core = (files: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(files).map(([name, text]) => [`packages/core/src/${name}.ts`, text]))

  it("fails on values that import each other in a ring, and tells the ring once", () => {
    assert.strictEqual(
      problem(core({ A: `import "./B.ts"`, B: `export * from "./in/C.ts"`, "in/C": `await import("../A.ts")` })),
      "import cycle: packages/core/src/A.ts -> packages/core/src/B.ts -> packages/core/src/in/C.ts" +
        " -> packages/core/src/A.ts"
    )
  })

  it("fails where a type import closes a ring of values", () => {
    assert.include(problem(core({ A: `import "./B.ts"`, B: `import type { A } from "./A.ts"` })), "import cycle")
  })

  it("fails across packages, by their names", () => {
    const text = (name: string) => `import "${name}"`
    const { problems } = check({
      "plugins/onnx/package.json": manifest("@sluice/plugin-onnx", "@sluice/plugin-text"),
      "plugins/onnx/src/main.ts": text("@sluice/plugin-text"),
      "plugins/text/src/main.ts": text("@sluice/plugin-onnx")
    })
    assert.deepStrictEqual(problems, [
      "import cycle: plugins/onnx/src/main.ts -> plugins/text/src/main.ts -> plugins/onnx/src/main.ts"
    ])
  })

  it("lets types refer to each other, and a worker to what started it", () => {
    const { problems } = check({
      ...core({ A: `import type { B } from "./B.ts"`, B: `import type { A } from "./A.ts"` }),
      ...core({ Host: `new Worker(new URL("./Entry.ts", import.meta.url))`, Entry: `import "./Host.ts"` })
    })
    assert.deepStrictEqual(problems, [])
  })
})

describe("structure", () => {
  it.each([
    ["notes/Plan.md", "does not belong at the top level"],
    ["turbo.json", "does not belong at the top level"],
    ["packages/core/src/utils.ts", "says nothing"],
    ["packages/core/src/helpers/Retry.ts", "says nothing"],
    ["packages/core/src/Misc.ts", "says nothing"],
    ["packages/core/src/model-host.ts", "PascalCase"],
    ["packages/core/test/batcher.test.ts", "PascalCase"]
  ])("refuses %s", (path, reason) => {
    assert.isTrue(check({ [path]: "" }).problems.some((each) => each.includes(reason)))
  })

  it.each([
    ".github/workflows/ci.yml",
    "docs/reference/http.md",
    "vitest.workspace.ts",
    "packages/console/vite.config.ts",
    "packages/core/src/batching/Batcher.ts",
    "packages/core/src/index.ts",
    "packages/server/test/main.integration.test.ts"
  ])("accepts %s", (path) => {
    assert.deepStrictEqual(check({ [path]: "" }).problems, [])
  })

  it("refuses a cast through unknown, wherever it stands", () => {
    assert.include(
      problem({ "packages/core/test/A.test.ts": `\nconst f = () => [1 as unknown as string]` }),
      "packages/core/test/A.test.ts:2"
    )
    assert.deepStrictEqual(check({ "packages/core/src/A.ts": `// as unknown as\nconst a = b as unknown` }).problems, [])
  })

  it("reports a file that does not parse", () => {
    assert.include(problem({ "packages/core/src/A.ts": `import {` }), "packages/core/src/A.ts")
  })

  it("warns of more than 400 lines", () => {
    const file = (lines: number) => ({ "packages/core/src/A.ts": "// line\n".repeat(lines) })
    assert.deepStrictEqual(check(file(400)).warnings, [])
    assert.strictEqual(check(file(401)).warnings.length, 1)
    assert.deepStrictEqual(check(file(401)).problems, [])
  })
})
