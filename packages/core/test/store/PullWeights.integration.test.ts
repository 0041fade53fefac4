/**
 * Models that keep weights in other files: got as the model names them, from wherever it came.
 */
import { assert, describe, it } from "@effect/vitest"
import { checkWeights, weightsPlace } from "@sluice/core/store/ExternalWeights"
import { parseSource } from "@sluice/core/store/ModelSource"
import { pullLocked } from "@sluice/core/store/PullLocked"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Fs from "node:fs"
import { join } from "node:path"
import { commit, fakeHub, repository } from "./FakeHub.ts"
import { failure, filesBelow, hub, modelText, pulled, pullTest, readModelText, temporaryFolder } from "./Pulls.ts"

const files = {
  "onnx/model.onnx": modelText("weights.bin", "./parts/0.bin", "weights.bin"),
  "onnx/weights.bin": Buffer.from("weights"),
  "onnx/parts/0.bin": Buffer.from("part"),
  "onnx/other.bin": Buffer.from("other")
}
const expected = ["onnx/model.onnx", "onnx/parts/0.bin", "onnx/weights.bin"]
const settings = { readWeights: readModelText }

describe("weightsPlace", () => {
  const place = (model: string, location: string) =>
    Result.match(weightsPlace(model, location), { onSuccess: (path) => path, onFailure: ({ reason }) => reason })

  it("counts from the model's folder", () => {
    assert.strictEqual(place("onnx/model.onnx", "weights.bin"), "onnx/weights.bin")
    assert.strictEqual(place("model.onnx", "./parts/0"), "parts/0")
  })

  it.each(["../up", "a/../../up", "/etc/passwd", "..", "", "a\\..\\b", "C:up", "a\0b", "a//b"])(
    "refuses %j",
    (location) => assert.match(place("onnx/model.onnx", location), /^onnx\/model\.onnx names .*, which is not taken: /)
  )

  it("never leads out of the model's folder", () => {
    const part = fc.constantFrom("..", ".", "a", "", "%2e%2e", "\\")
    fc.assert(fc.property(fc.array(part), (parts) => {
      const found = place("onnx/model.onnx", parts.join("/"))
      assert.isTrue(found.includes("not taken") || (found.startsWith("onnx/") && !found.split("/").includes("..")))
    }))
  })
})

describe("a model's weights", () => {
  it.live("come from its repository, also when the model is here already", () =>
    Effect.gen(function*() {
      const { fetched, url } = yield* fakeHub({ files, large: ["onnx/weights.bin"] })
      const { directory, settings: hubSettings } = yield* pullTest(url, settings)
      const got = yield* pulled(hubSettings, hub)
      assert.deepStrictEqual(filesBelow(got.folder), expected)
      assert.deepStrictEqual(got.files.map(({ path }) => path).toSorted(), expected)

      Fs.rmSync(join(got.folder, "onnx/weights.bin"))
      const requests = fetched().length
      assert.deepStrictEqual(filesBelow((yield* pulled(hubSettings, hub)).folder), expected)
      assert.strictEqual(fetched().length, requests)

      const source = yield* Effect.fromResult(parseSource(hub, { allowHttp: true }))
      const offline = yield* pullTest(url, { ...settings, directory, offline: true })
      yield* pullLocked(offline.settings, source, got)
    }))

  it.live("come from beside its address, without the query that is its own", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* fakeHub({ files })
      const { settings: webSettings } = yield* pullTest("https://hub.example", settings)
      const address = `${url}/${repository}/resolve/${commit}/onnx/model.onnx`
      const got = yield* pulled(webSettings, `${address}?signature=1`)
      const names = expected.map((name) => name.slice("onnx/".length))
      assert.deepStrictEqual(filesBelow(got.folder), names)
      assert.deepStrictEqual(asked.filter(({ path }) => path.includes("signature")).length, 1)

      const source = yield* Effect.fromResult(parseSource(address, { allowHttp: true }))
      const elsewhere = yield* pullTest("https://hub.example", settings)
      assert.deepStrictEqual(filesBelow((yield* pullLocked(elsewhere.settings, source, got)).folder), names)
    }))

  it.live("come from its folder, whether that or the file is named", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      Fs.mkdirSync(join(folder, "onnx/parts"), { recursive: true })
      for (const [name, content] of Object.entries(files)) Fs.writeFileSync(join(folder, name), content)
      const { settings: localSettings } = yield* pullTest("https://hub.example", settings)
      assert.deepStrictEqual(filesBelow((yield* pulled(localSettings, folder)).folder), expected)
      assert.deepStrictEqual(
        filesBelow((yield* pulled(localSettings, join(folder, "onnx/model.onnx"))).folder),
        expected.map((name) => name.slice("onnx/".length))
      )
    }))

  it.live("that are nowhere, or would lie elsewhere, are refused with the model", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* fakeHub({ files: { "model.onnx": modelText("gone.bin") } })
      const { settings: hubSettings } = yield* pullTest(url, settings)
      assert.include((yield* failure(pulled(hubSettings, hub))).message, "in which its model.onnx keeps weights")

      const leading = yield* fakeHub({ files: { "a/model.onnx": modelText("../../../api/secret") } })
      const web = yield* pullTest("https://hub.example", settings)
      const address = `${leading.url}/${repository}/resolve/${commit}/a/model.onnx`
      const { kind, message } = yield* failure(pulled(web.settings, address))
      assert.strictEqual(kind, "SourceRefused")
      assert.include(message, "which leads elsewhere")
      assert.lengthOf(leading.asked, 1)
      assert.isAbove(asked.length, 0)
    }))

  it.live("that are links of a folder are refused", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const elsewhere = yield* temporaryFolder
      Fs.writeFileSync(join(elsewhere, "secret"), "secret")
      Fs.symlinkSync(elsewhere, join(folder, "parts"))
      Fs.symlinkSync(join(elsewhere, "secret"), join(folder, "weights.bin"))
      const { directory, settings: localSettings } = yield* pullTest("https://hub.example", settings)
      for (const name of ["parts/secret", "weights.bin"]) {
        Fs.writeFileSync(join(folder, "model.onnx"), modelText(name))
        const { message } = yield* failure(pulled(localSettings, join(folder, "model.onnx")))
        assert.include(message, "a link that leads out of its folder")
      }
      assert.notInclude(filesBelow(directory).map((name) => name.split("/").at(-1)), "secret")
    }))
})

describe("checkWeights", () => {
  it.live("passes what lies in the model's folder, and says of others what is wrong", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const path = join(folder, "model.onnx")
      Fs.mkdirSync(join(folder, "parts"))
      Fs.writeFileSync(join(folder, "parts/0.bin"), "part")
      Fs.symlinkSync("parts/0.bin", join(folder, "inside.bin"))
      Fs.symlinkSync("/etc/hosts", join(folder, "outside.bin"))
      yield* checkWeights(path, [])
      yield* checkWeights(path, ["parts/0.bin", "./parts/0.bin", "inside.bin"])
      const said = Effect.fnUntraced(function*(location: string) {
        return (yield* Effect.flip(checkWeights(path, ["parts/0.bin", location]))).message
      })
      assert.include(yield* said("gone.bin"), "\"gone.bin\", which is not beside it")
      assert.include(yield* said("parts"), "which is not beside it")
      assert.include(yield* said("parts/0.bin/x"), "which is not beside it")
      assert.include(yield* said("../secret"), "which leads out of its folder")
      assert.include(yield* said("/etc/hosts"), "which leads out of its folder")
      assert.include(yield* said("outside.bin"), "a link that leads out of its folder to /etc/hosts")
    }))
})
