/**
 * What the documentation says, against the code: every YAML snippet loads, every link has an end, every table is whole.
 */
import { assert, describe, it } from "@effect/vitest"
import { routeRule } from "@sluice/api/Access"
import { makeSluiceApi } from "@sluice/api/SluiceApi"
import type { ConfigError } from "@sluice/core/config/ConfigError"
import { parseYaml } from "@sluice/core/config/YamlDocument"
import { LimitsSchema } from "@sluice/core/limits/Limits"
import { decodeRegistry } from "@sluice/core/registry/RegistryDecode"
import { readRegistry } from "@sluice/core/registry/RegistryFile"
import { ModelYaml, RegistryYaml, RolloutYaml, VersionYaml } from "@sluice/core/registry/RegistrySchema"
import { Metrics, renderTogether } from "@sluice/core/telemetry/Metrics"
import { roles } from "@sluice/domain/Role"
import onnx from "@sluice/plugin-onnx"
import sklearn from "@sluice/plugin-sklearn-onnx"
import text from "@sluice/plugin-text"
import { KeyYaml } from "@sluice/server/access/KeySchema"
import { parseKeys } from "@sluice/server/access/KeysFile"
import { MetricsCollector } from "@sluice/server/cluster/MetricsCollector"
import { loadSettings } from "@sluice/server/config/LoadSettings"
import { resolveSettings } from "@sluice/server/config/Settings"
import * as Effect from "effect/Effect"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Result from "effect/Result"
import { hash } from "node:crypto"
import { existsSync, globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fencedBlocks, linkedFiles, pages, readPage, root, tableRows } from "./Markdown.ts"

const mistakesOf = <A>(reading: Result.Result<A, ConfigError>): ReadonlyArray<string> =>
  Result.isFailure(reading) ? [reading.failure.message] : []

/** What is wrong with a snippet read as each of the files; nothing where one of them takes it. */
const yamlMistakes = (text: string): ReadonlyArray<string> => {
  const registry = Result.flatMap(parseYaml(text, "model_registry.yaml"), decodeRegistry)
  const settings = Result.flatMap(
    parseYaml(text, "sluice.yaml"),
    (yaml) => resolveSettings({ env: {}, dotenv: {}, yaml })
  )
  const keys = parseKeys(text, "api_keys.yaml")
  const mistakes = [mistakesOf(registry), mistakesOf(settings), mistakesOf(keys)]
  return mistakes.some((each) => each.length === 0) ? [] : mistakes.flat()
}

const yamlBlocks = pages.flatMap(fencedBlocks).filter(({ language, rest }) => language === "yaml" && rest === "")
const configs = globSync("config/*.{yaml,yml}", { cwd: root }).toSorted()

describe("YAML", () => {
  it.each(yamlBlocks.map((block) => [block.place, block.text] as const))(
    "%s is a registry's, the settings' or a keys file's",
    (_, text) => assert.deepStrictEqual(yamlMistakes(text), [])
  )

  it("is refused by this test where a field is mistyped", () => {
    assert.lengthOf(
      yamlMistakes("models: { wine: { default_version: v1, versions: { v1: { paht: model.onnx } } } }"),
      3
    )
  })

  it.effect.each(configs)("%s loads, and its files are there", (file) =>
    Effect.gen(function*() {
      const path = join(root, file)
      const isRegistry = file.includes("registry")
      if (isRegistry) yield* readRegistry(path)
      else yield* loadSettings({ env: { SLUICE_CONFIG: path }, directory: root })
    }))
})

describe("links", () => {
  it.each(pages)("of %s lead to files", (page) => {
    assert.deepStrictEqual(linkedFiles(page).filter((file) => !existsSync(join(root, file))), [])
  })
})

describe("README.md", () => {
  it("has the two commands, each a block of its own", () => {
    const commands = fencedBlocks("README.md").map(({ text }) => text)
    assert.includeMembers(commands, ["npm ci && npm start", "npm ci && npm test"])
  })

  it("links to every other page", () => {
    const linked = linkedFiles("README.md")
    assert.deepStrictEqual(pages.filter((page) => page !== "README.md" && !linked.includes(page)), [])
  })
})

interface Manifest {
  readonly name: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

const manifests = ["package.json", ...globSync("{packages,plugins}/*/package.json", { cwd: root })].map((
  file
): Manifest => JSON.parse(readFileSync(join(root, file), "utf8")))

/** `name` once for each row that one of the two has and the other has not. */
const sameNames = (page: string, expected: Iterable<string>): void =>
  assert.deepStrictEqual(tableRows(page).map(([name]) => name).toSorted(), [...new Set(expected)].toSorted())

describe("docs/explanation/dependencies.md", () => {
  it("gives a reason for every dependency, and for no other", () => {
    const named = manifests.flatMap(({ dependencies, devDependencies }) =>
      Object.keys({ ...dependencies, ...devDependencies })
    )
    sameNames("docs/explanation/dependencies.md", named.filter((name) => !name.startsWith("@sluice/")))
    for (const [name, reason = ""] of tableRows("docs/explanation/dependencies.md")) {
      assert.isAbove(reason.length, 10, name)
    }
  })
})

describe("packages/server/assets/redoc", () => {
  it("has the file that docs/explanation/dependencies.md names, whole", () => {
    const file = readFileSync(join(root, "packages/server/assets/redoc/redoc.standalone.js"))
    assert.include(readPage("docs/explanation/dependencies.md"), hash("sha256", file))
  })
})

describe("docs/reference/registry.md", () => {
  const optionsOf = (plugin: { readonly options: object }): ReadonlyArray<string> =>
    "fields" in plugin.options ? Object.keys(plugin.options.fields ?? {}) : []
  const nested = {
    variants: ["fp32", "fp16", "int8"],
    batching: ["max_batch_size", "max_batch_cost", "window", "queue_capacity", "latency_target", "max_padded_waste"],
    limits: Object.keys(LimitsSchema.fields),
    fallback: ["model", "version"],
    default_answer: ["prediction", "probabilities"],
    breaker: ["policy", "failures", "rate_threshold", "window_calls", "minimum_calls", "open_duration"],
    analysis: [
      "max_error_rate",
      "max_p50_ratio",
      "max_p99_ratio",
      "min_agreement",
      "min_requests",
      "interval",
      "examples"
    ]
  }

  it("has a row for every field of the registry and every option of the plugins", () => {
    const rollout = RolloutYaml.members.flatMap((member) => Object.keys(member.fields))
    const fields = [
      ...Object.keys(RegistryYaml.fields),
      ...Object.keys(ModelYaml.fields),
      ...Object.keys(VersionYaml.fields),
      ...new Set(rollout),
      ...Object.entries(nested).flatMap(([field, keys]) => keys.map((key) => `${field}.${key}`)),
      ...[text, sklearn, onnx].flatMap((plugin) => optionsOf(plugin).map((option) => `options.${option}`))
    ]
    assert.deepStrictEqual(tableRows("docs/reference/registry.md").map(([name]) => name).toSorted(), fields.toSorted())
  })
})

describe("docs/reference/http-api.md", () => {
  it("has a row for every route", () => {
    const { paths } = OpenApi.fromApi(makeSluiceApi("/api/v1"))
    const described = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`)
    )
    // Routes that are not part of the API's description.
    const others = ["GET /metrics", "GET /docs", "GET /redoc", "GET /openapi.json", "POST /rpc", "GET /rpc/ws"]
    const routes = tableRows("docs/reference/http-api.md").map(([name]) => name).filter((name) =>
      /^[A-Z]+ \//.test(name)
    )
    assert.deepStrictEqual(routes.toSorted(), [...described, ...others].toSorted())
  })

  it("says of every route which role it asks for", () => {
    const needed = Object.values(makeSluiceApi("/api/v1").groups).flatMap((group) =>
      Object.values(group.endpoints).map(({ identifier, method, path }) => {
        const rule = routeRule(group.identifier, identifier)
        const needed = rule === "open" ? "no" : rule.roles.map((role) => `\`${role}\``).join(", ")
        return [`${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`, needed] as const
      })
    )
    const shown = new Map(tableRows("docs/reference/http-api.md").map(([name, role]) => [name, role]))
    for (const [route, role] of needed) assert.strictEqual(shown.get(route), role, route)
  })
})

describe("docs/how-to/give-out-keys.md", () => {
  it("has a row for every role, and for every field of a key", () => {
    sameNames("docs/how-to/give-out-keys.md", [...roles, ...Object.keys(KeyYaml.fields)])
  })
})

describe("docs/reference/metrics.md", () => {
  it.effect("has every metric of ours with its type and its labels", () =>
    Effect.gen(function*() {
      const metrics = yield* Metrics
      metrics.registerVersion("sentiment", "v1").rolloutRequest("target", false)
      const decisions = new Map([["advance", 0]])
      metrics.showRollouts(() => [
        { model: "sentiment", targetVersion: "v1", phase: "running", percentage: 5, decisions }
      ])
      metrics.refused("model_not_found")
      metrics.rateLimits.decided("key", "requests", "allowed")
      const own = yield* metrics.render
      const ofPrimary = yield* renderTogether(yield* new MetricsCollector(() => undefined).collect)
      const body = own.body + ofPrimary.body
      const found = Array.from(body.matchAll(/^# TYPE (sluice_\S+) (\S+)$/gm), ([, name = "", type = ""]) => {
        const sample = body.split("\n").find((line) => line.startsWith(name))
        const labels = Array.from(sample?.matchAll(/(\w+)="/g) ?? [], ([, label = ""]) => label)
        return [name, type, labels.filter((label) => label !== "le").map((label) => `\`${label}\``).join(", ")]
      })
      const shown = tableRows("docs/reference/metrics.md").filter(([name]) => name.startsWith("sluice_"))
      assert.deepStrictEqual(shown.map((row) => row.slice(0, 3)), found)
    }).pipe(Effect.provide(Metrics.layer({ enabled: true }))))
})

describe("every page", () => {
  it.each(pages)("%s names no folder of the machine it was written on", (page) => {
    assert.notMatch(readPage(page), /\/(work|root|home)\//)
  })
})
