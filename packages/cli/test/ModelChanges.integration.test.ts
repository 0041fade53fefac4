/**
 * `sluice models apply | rollout | load | unload`, as processes against a real server.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { TestServer } from "../../server/test/harness/ServerProcess.ts"
import { irisRegistry } from "../../server/test/registry/RegistryServer.ts"
import { nowhere, type RunOptions, sluice, temporaryFolder } from "./SluiceProcess.ts"

const token = "sesame"
const withKey = { AUTH_TOKEN: token, API_V1_STR: "/ml" }
const registry = `${
  irisRegistry("v1", "v2")
}    rollout_strategy: { type: canary, canary_percentage: 10, target_version: v2 }
`

const asking = (args: ReadonlyArray<string>, options: RunOptions = { env: withKey }) =>
  Effect.flatMap(TestServer, ({ port }) => sluice(["models", ...args, "--url", `http://localhost:${port}`], options))

layer(TestServer.layer({ registry, env: withKey }), { excludeTestServices: true })("the commands that change", (it) => {
  it.effect("apply says what a dry run would change, then changes it, then has nothing to do", () =>
    Effect.gen(function*() {
      const file = join(yield* temporaryFolder, "next.yaml")
      writeFileSync(file, registry.replace("v2: {", "v3: {").replace("target_version: v2", "target_version: v3"))
      const dry = yield* asking(["apply", file, "--dry-run"])
      assert.strictEqual(dry.code, 0)
      assert.match(dry.stdout, /^added +iris@v3\nremoved +iris@v2\nrerouted +iris$/m)
      assert.match(dry.stdout, /this was a dry run/)
      const applied = yield* asking(["apply", file, "-o", "json"])
      assert.deepInclude(JSON.parse(applied.stdout), { dry_run: false, added: ["iris@v3"], removed: ["iris@v2"] })
      assert.match((yield* asking(["apply", file])).stdout, /^Nothing that is served differs\.$/m)

      const stale = yield* asking(["apply", file, "--if-match", "0".repeat(64)])
      assert.strictEqual(stale.code, 1)
      assert.match(
        stale.stderr,
        /^sluice: it was changed meanwhile: read it again, and send If-Match: "[0-9a-f]{64}"$/m
      )
      const back = yield* asking(["apply", "-", "-o", "json"], { env: withKey, input: registry })
      assert.deepInclude(JSON.parse(back.stdout), { added: ["iris@v2"], removed: ["iris@v3"] })
    }))

  it.effect("apply prints each mistake on a line of its own", () =>
    Effect.gen(function*() {
      const input = "default_model: rose\nmodels:\n  iris: { default_version: v1, versions: {} }\n"
      const { code, stderr, stdout } = yield* asking(["apply", "-"], { env: withKey, input })
      assert.deepStrictEqual([code, stdout], [1, ""])
      assert.match(
        stderr,
        /^sluice: nothing was changed\n {2}line 1: default_model: .*\n {2}line 3: models\.iris\.versions: .*\n$/
      )
    }))

  it.effect("rollout shows one and steers it", () =>
    Effect.gen(function*() {
      const shown = yield* asking(["rollout", "iris"])
      assert.match(shown.stdout, /^iris has a rollout of type canary of v2 beside v1: running, 10 %; revision \d+$/m)
      assert.match((yield* asking(["rollout", "iris", "set", "25"])).stdout, /: running, 25 %/)
      assert.strictEqual(JSON.parse((yield* asking(["rollout", "iris", "pause", "-o", "json"])).stdout).phase, "paused")
      const missing = yield* asking(["rollout", "nope"])
      assert.strictEqual(missing.code, 1)
      assert.match(missing.stderr, /^sluice: no model is named "nope"/)
    }))

  it.effect("load and unload name what they did, and what there is not", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* asking(["load", "iris@v1"])).stdout, "iris@v1 is loaded and ready\n")
      const missing = yield* asking(["unload", "iris@v9"])
      assert.strictEqual(missing.code, 1)
      assert.match(missing.stderr, /^sluice: model "iris" has no version "v9"/)
    }))

  it.effect("say that a key is needed, and that nobody is there", () =>
    Effect.gen(function*() {
      const noKey = yield* asking(["rollout", "iris"], { env: { API_V1_STR: "/ml" } })
      assert.strictEqual(noKey.code, 1)
      assert.match(noKey.stderr, /^sluice: the server at \S+ asks for a key: give it with --token, or in AUTH_TOKEN$/m)
      const wrongKey = yield* asking(["load", "iris", "--token", "wrong"])
      assert.match(wrongKey.stderr, /^sluice: .*key/m)
      const nobody = yield* sluice(["models", "load", "iris", "--url", nowhere])
      assert.strictEqual(nobody.code, 1)
      assert.match(
        nobody.stderr,
        /^sluice: no server answers at http:\/\/127\.0\.0\.1:9: start one with `sluice serve`/
      )
    }))
})
