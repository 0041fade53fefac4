/**
 * What a server sends in place of a file: it is refused, and nothing of it is kept.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import type { ServerResponse } from "node:http"
import { join } from "node:path"
import { commit, fakeHub, repository } from "./FakeHub.ts"
import { failure, filesBelow, hub, modelText, pulled, pullTest, readModelText, temporaryFolder } from "./Pulls.ts"

/** A model of this test's kind, long enough to break off. */
const model = Buffer.concat([modelText(), Buffer.alloc(100_000, "\n")])
const files = { "model.onnx": model, "weights.bin": model, "tokenizer.json": Buffer.from("{}") }

/** What comes of an address that answers so. */
const answered = (name: keyof typeof files, answer: (response: ServerResponse) => void) =>
  Effect.gen(function*() {
    const { fetched, url } = yield* fakeHub({
      files,
      fault: ({ response }) => {
        answer(response)
        return true
      }
    })
    const { directory, settings } = yield* pullTest("https://hub.example", { readWeights: readModelText })
    const refused = yield* failure(pulled(settings, `${url}/${repository}/resolve/${commit}/${name}`))
    return { ...refused, kept: filesBelow(directory), requests: fetched().length }
  })

describe("an address that sends", () => {
  it.live.each<readonly [keyof typeof files, string, string, string, string, RegExp]>([
    ["model.onnx", "a page", "text/html; charset=utf-8", "<!doctype html><title>Log in</title>", "protocol", /a page/],
    ["weights.bin", "a page", "text/html", "<html>", "protocol", /a page for people/],
    ["model.onnx", "a page by another name", "text/plain", "<html>", "malformed", /the model file model\.onnx is none/],
    ["model.onnx", "nothing", "application/octet-stream", "", "malformed", /it is empty/],
    ["weights.bin", "nothing", "application/octet-stream", "", "malformed", /it is empty/],
    ["tokenizer.json", "no JSON", "application/json", "{\"tokens\":", "malformed", /it is not JSON/]
  ])("%s: %s", ([name, , type, body, kind, says]) =>
    Effect.gen(function*() {
      const got = yield* answered(name, (response) => {
        response.writeHead(200, { "content-type": type, "content-length": Buffer.byteLength(body) }).end(body)
      })
      assert.strictEqual(got.kind, kind)
      assert.match(got.message, says)
      assert.deepStrictEqual([got.kept, got.requests], [[], 1])
    }))

  it.live("a body of no known length is refused, for nothing tells whether it is whole", () =>
    Effect.gen(function*() {
      const got = yield* answered("weights.bin", (response) => {
        response.useChunkedEncodingByDefault = false
        response.writeHead(200, { connection: "close" }).end(model.subarray(0, 50_000))
      })
      assert.strictEqual(got.kind, "protocol")
      assert.include(got.message, "does not say how long it is")
      assert.deepStrictEqual(got.kept, [])
    }))

  it.live("chunks that break off is asked again, and is not taken for whole", () =>
    Effect.gen(function*() {
      const got = yield* answered("model.onnx", (response) => {
        response.writeHead(200)
        response.write(model.subarray(0, 50_000), () => response.destroy())
      })
      assert.strictEqual(got.kind, "unreachable")
      assert.strictEqual(got.requests, 5)
      assert.isFalse(got.kept.some((name) => name.startsWith("blobs") || name.startsWith("snapshots")))
    }))
})

describe("a file of another source that is not what its name says", () => {
  it.live("is refused from a hub and from a folder, too", () =>
    Effect.gen(function*() {
      const broken = { "model.onnx": Buffer.from("no model"), "tokenizer.json": Buffer.from("{}") }
      const { url } = yield* fakeHub({ files: broken })
      const hubTest = yield* pullTest(url, { readWeights: readModelText })
      assert.strictEqual((yield* failure(pulled(hubTest.settings, hub))).kind, "malformed")
      assert.deepStrictEqual(filesBelow(hubTest.directory), [])

      const folder = yield* temporaryFolder
      Fs.writeFileSync(join(folder, "model.onnx"), model)
      Fs.writeFileSync(join(folder, "tokenizer.json"), "not JSON")
      const { kind, message } = yield* failure(pulled(hubTest.settings, folder))
      assert.strictEqual(kind, "malformed")
      assert.include(message, "tokenizer.json: what came is not such a file")
    }))
})
