import { assert, describe, it } from "@effect/vitest"
import { parseSource } from "@sluice/core/store/ModelSource"
import { pullLocked } from "@sluice/core/store/PullLocked"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { join } from "node:path"
import { commit, fakeHub, repository, sha256 } from "./FakeHub.ts"
import {
  changesBelow,
  failure,
  files,
  filesBelow,
  hub,
  large,
  model,
  pulled,
  pullTest,
  temporaryFolder
} from "./Pulls.ts"

describe("pullLocked", () => {
  const source = Effect.fromResult(parseSource(hub, { allowHttp: true }))

  it.live("takes offline what is there, as long as it is whole", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* fakeHub({ files, large })
      const { directory, settings } = yield* pullTest(url)
      const locked = yield* pulled(settings, hub)
      const requests = asked.length
      const offline = yield* pullTest(url, { directory, offline: true })
      assert.strictEqual((yield* pullLocked(offline.settings, yield* source, locked)).folder, locked.folder)
      assert.strictEqual(asked.length, requests)

      const blob = join(directory, "blobs/sha256", sha256(model))
      Fs.chmodSync(blob, 0o644)
      Fs.writeFileSync(blob, Buffer.alloc(model.length))
      const { kind, message } = yield* failure(pullLocked(offline.settings, yield* source, locked))
      assert.strictEqual(kind, "offline")
      assert.include(message, "onnx/model.onnx")

      yield* pullLocked(settings, yield* source, locked)
      assert.deepStrictEqual(Fs.readFileSync(join(locked.folder, "onnx/model.onnx")), model)
    }))

  it.live("writes nothing into a store that has it all, as it may be one that is only read", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({ files, large })
      const { directory, settings } = yield* pullTest(url)
      const locked = yield* pulled(settings, hub)
      // As a copy of the store has it, without hard links.
      const copied = join(locked.folder, "onnx/tokenizer.json")
      const content = Fs.readFileSync(copied)
      Fs.rmSync(copied)
      Fs.writeFileSync(copied, content)
      const before = changesBelow(directory)
      const offline = yield* pullTest(url, { directory, offline: true })
      yield* pullLocked(offline.settings, yield* source, locked)
      yield* pulled(settings, hub)
      assert.deepStrictEqual(changesBelow(directory), before)
    }))

  it.live("refuses a lock whose size was edited, though the content is there", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({ files, large })
      const { directory, settings } = yield* pullTest(url)
      const locked = yield* pulled(settings, hub)
      const edited = { ...locked, files: locked.files.map((file) => ({ ...file, size: file.size + 1 })) }
      for (const offline of [true, false]) {
        const again = yield* pullTest(url, { directory, offline })
        const { kind, message } = yield* failure(pullLocked(again.settings, yield* source, edited))
        assert.strictEqual(kind, "checksum")
        assert.include(message, `onnx/model.onnx of ${hub} ${model.length + 1} bytes, and what its SHA-256 names has`)
      }
    }))

  it.live("refuses content that is not the lock's", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({ files, large })
      const { settings } = yield* pullTest(url)
      const entry = {
        source: hub,
        revision: commit,
        files: [{ path: "onnx/model.onnx", size: model.length, sha256: "ab".repeat(32) }]
      }
      assert.strictEqual((yield* failure(pullLocked(settings, yield* source, entry))).kind, "checksum")
    }))
})

describe("sources without a hub", () => {
  it.live("are an address", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({ files: { "model.onnx": model } })
      const { settings } = yield* pullTest("https://hub.example", {})
      const { folder, source } = yield* pulled(settings, `${url}/${repository}/resolve/${commit}/model.onnx?download=1`)
      assert.deepStrictEqual(filesBelow(folder), ["model.onnx"])
      assert.notInclude(source, "download")
    }))

  it.live("or a folder, and links in it are refused", () =>
    Effect.gen(function*() {
      const { settings } = yield* pullTest("https://hub.example")
      const folder = yield* temporaryFolder
      Fs.writeFileSync(join(folder, "model.onnx"), model)
      Fs.writeFileSync(join(folder, "tokenizer.json"), "{}")
      const got = yield* pulled(settings, folder)
      assert.deepStrictEqual(filesBelow(got.folder), ["model.onnx", "tokenizer.json"])
      const again = yield* pulled(settings, `file:${join(folder, "model.onnx")}`)
      assert.deepStrictEqual(again.files.map(({ path }) => path), ["model.onnx", "tokenizer.json"])

      Fs.symlinkSync("/etc/hosts", join(folder, "config.json"))
      for (const path of [folder, join(folder, "model.onnx"), join(folder, "config.json")]) {
        assert.include((yield* failure(pulled(settings, path))).message, "is a symbolic link")
      }
    }))

  it.live("and a folder whose files are here already is not copied again", () =>
    Effect.gen(function*() {
      const { directory, settings } = yield* pullTest("https://hub.example")
      const folder = yield* temporaryFolder
      Fs.writeFileSync(join(folder, "model.onnx"), model)
      const first = yield* pulled(settings, folder)
      const before = changesBelow(directory)
      assert.deepStrictEqual(yield* pulled(settings, folder), first)
      assert.deepStrictEqual(changesBelow(directory), before)
    }))

  it.live("and a store whose folders were made links is not written through", () =>
    Effect.gen(function*() {
      const { directory, settings } = yield* pullTest("https://hub.example")
      const elsewhere = yield* temporaryFolder
      const folder = yield* temporaryFolder
      Fs.writeFileSync(join(folder, "model.onnx"), model)
      Fs.symlinkSync(elsewhere, join(directory, "snapshots"))
      assert.include((yield* failure(pulled(settings, folder))).message, "nor may it be a link")
      assert.deepStrictEqual(filesBelow(elsewhere), [])
    }))

  it.live("and a file of a folder that is too large is not taken", () =>
    Effect.gen(function*() {
      const { settings } = yield* pullTest("https://hub.example", { maxSize: 1000 })
      const folder = yield* temporaryFolder
      Fs.writeFileSync(join(folder, "model.onnx"), model)
      assert.strictEqual((yield* failure(pulled(settings, folder))).kind, "too-large")
    }))
})
