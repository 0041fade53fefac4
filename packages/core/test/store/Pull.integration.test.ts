import { assert, describe, it } from "@effect/vitest"
import { parseSource } from "@sluice/core/store/ModelSource"
import { pullLocked } from "@sluice/core/store/Pull"
import { PullFailed } from "@sluice/core/store/StoreErrors"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { commit, fakeHub, type Fault, repository, sendContent, sha256 } from "./FakeHub.ts"
import { filesBelow, pulled, pullTest, temporaryFolder } from "./Pulls.ts"

const model = randomBytes(3_000_000)
const files = {
  "onnx/model.onnx": model,
  "onnx/model_int8.onnx": randomBytes(1000),
  "tokenizer.json": Buffer.from("{\"tokens\":[]}"),
  "config.json": Buffer.from("{}"),
  "1_Pooling/config.json": Buffer.from("{\"pooling_mode_mean_tokens\":true}"),
  "README.md": Buffer.from("# A model"),
  "pytorch_model.bin": randomBytes(1000)
}
const large = ["onnx/model.onnx", "onnx/model_int8.onnx", "pytorch_model.bin"]
const hub = `hf:${repository}`

/** The first so many requests for the model's content are answered so, all later ones well. */
const firstTimes = (times: number, fault: Fault): Fault => {
  let left = times
  return (exchange) => exchange.asked.path.endsWith("/model.onnx") && left-- > 0 ? fault(exchange) : false
}

const failure = <A, R>(pull: Effect.Effect<A, { readonly _tag: string; readonly message: string }, R>) =>
  Effect.map(Effect.flip(pull), (error) => {
    if (error instanceof PullFailed) return { kind: error.kind, message: error.message }
    return { kind: error._tag, message: error.message }
  })

describe("pullSource of a hub", () => {
  it.live("takes the model and what is read beside it, by what they contain", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* fakeHub({ files, large })
      const { directory, settings, told } = yield* pullTest(url)
      const { folder, revision, source } = yield* pulled(settings, hub)
      assert.deepStrictEqual([source, revision], [hub, commit])
      assert.strictEqual(folder, join(directory, "snapshots/models--org--model", commit))
      assert.deepStrictEqual(filesBelow(folder), [
        "1_Pooling/config.json",
        "config.json",
        "onnx/1_Pooling/config.json",
        "onnx/config.json",
        "onnx/model.onnx",
        "onnx/tokenizer.json",
        "tokenizer.json"
      ])
      assert.deepStrictEqual(Fs.readFileSync(join(folder, "onnx/model.onnx")), model)
      const names = [model, files["tokenizer.json"], files["config.json"], files["1_Pooling/config.json"]].map(sha256)
      assert.deepStrictEqual(filesBelow(join(directory, "blobs/sha256")), names.toSorted())
      assert.deepStrictEqual(filesBelow(join(directory, "partial")), [])
      assert.include(told, "fetched onnx/model.onnx")
      assert.isTrue(asked.some(({ host }) => host === "files"))
    }))

  it.live("fetches nothing again that is here", () =>
    Effect.gen(function*() {
      const { fetched, url } = yield* fakeHub({ files, large })
      const { settings, told } = yield* pullTest(url)
      yield* pulled(settings, hub)
      const before = fetched().length
      told.length = 0
      yield* pulled(settings, hub, [], commit)
      assert.strictEqual(fetched().length, before)
      assert.deepStrictEqual([...new Set(told.map((line) => line.split(" ")[0]))], ["present"])
    }))

  it.live("takes the files that are named, and says which models there are where one is not", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({ files, large })
      const { settings } = yield* pullTest(url)
      const { files: got } = yield* pulled(settings, hub, ["onnx/model_int8.onnx"])
      assert.deepStrictEqual(got.map(({ path }) => path).filter((path) => path.endsWith(".onnx")), [
        "onnx/model_int8.onnx"
      ])
      const { kind, message } = yield* failure(pulled(settings, hub, ["onnx/model_q4.onnx"]))
      assert.strictEqual(kind, "SourceRefused")
      assert.include(message, "has no file onnx/model_q4.onnx; its models: onnx/model.onnx, onnx/model_int8.onnx")
    }))

  it.live("shows its key to the hub, and not to the host that it redirects to", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* fakeHub({ files, large, token: "hf_secret" })
      const { settings } = yield* pullTest(url, { token: "hf_secret" })
      yield* pulled(settings, hub)
      const keys = (host: string) =>
        new Set(asked.filter((each) => each.host === host).map((each) => each.authorization))
      assert.deepStrictEqual([...keys("hub")], ["Bearer hf_secret"])
      assert.deepStrictEqual([...keys("files")], [undefined])
    }))

  it.live("tells who is not let in what to set", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({ files, token: "hf_secret" })
      const { settings } = yield* pullTest(url, { token: "hf_wrong" })
      const { kind, message } = yield* failure(pulled(settings, hub))
      assert.strictEqual(kind, "unauthorised")
      assert.include(message, "HF_TOKEN")
      assert.notInclude(message, "hf_wrong")
    }))

  it.live("tells a revision that is not there", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({ files })
      const { settings } = yield* pullTest(url)
      assert.strictEqual((yield* failure(pulled(settings, hub, [], "v9"))).kind, "missing")
    }))

  it.live("does not follow names that lead out of the store", () =>
    Effect.gen(function*() {
      const { "onnx/model.onnx": only } = files
      const { url } = yield* fakeHub({
        files: { "tokenizer.json": only },
        alsoListed: ["../../up.onnx", "/etc/model.onnx", "a\\b.onnx", "C:model.onnx"]
      })
      const { directory, settings } = yield* pullTest(url)
      assert.include((yield* failure(pulled(settings, hub))).message, "it has no .onnx file")
      assert.deepStrictEqual(filesBelow(directory), [])
    }))
})

describe("a download that goes wrong", () => {
  it.live("goes on where the connection was cut", () =>
    Effect.gen(function*() {
      const { fetched, url } = yield* fakeHub({
        files,
        large,
        fault: firstTimes(3, ({ asked, content, response }) => {
          const from = Number(/\d+/.exec(asked.range ?? "")?.[0] ?? 0)
          response.writeHead(from > 0 ? 206 : 200, {
            etag: `"${sha256(content).slice(0, 32)}"`,
            "content-length": content.length - from,
            ...(from > 0 ? { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` } : {})
          })
          response.write(content.subarray(from, from + 800_000), () => response.destroy())
          return true
        })
      })
      const { settings } = yield* pullTest(url)
      const { folder } = yield* pulled(settings, hub)
      assert.deepStrictEqual(Fs.readFileSync(join(folder, "onnx/model.onnx")), model)
      const asked = fetched().filter(({ path }) => path.endsWith("/model.onnx"))
      const starts = asked.map(({ range }) => Number(/\d+/.exec(range ?? "")?.[0] ?? 0))
      assert.lengthOf(starts, 4)
      assert.deepStrictEqual(starts, starts.toSorted((a, b) => a - b))
      assert.isAbove(starts[3]!, 0)
      assert.isString(asked[3]!.ifRange)
    }))

  it.live("begins anew where the file has changed meanwhile", () =>
    Effect.gen(function*() {
      const old = randomBytes(200_000)
      const fresh = randomBytes(250_000)
      let begun = false
      const { url } = yield* fakeHub({
        files: { "model.onnx": fresh },
        large: ["model.onnx"],
        fault: ({ asked, response }) => {
          if (begun) {
            sendContent(asked, response, fresh, "\"fresh\"")
            return true
          }
          begun = true
          response.writeHead(200, { etag: "\"old\"", "content-length": old.length })
          response.write(old.subarray(0, 50_000), () => response.destroy())
          return true
        }
      })
      const { settings } = yield* pullTest(url)
      const { folder } = yield* pulled(settings, hub)
      assert.deepStrictEqual(Fs.readFileSync(join(folder, "model.onnx")), fresh)
    }))

  it.live("waits as long as a busy hub asks, and does not where that is long", () =>
    Effect.gen(function*() {
      const busy = (seconds: string) =>
        firstTimes(1, ({ response }) => {
          response.writeHead(429, { "retry-after": seconds }).end()
          return true
        })
      const patient = yield* fakeHub({ files, large, fault: busy("0") })
      const first = yield* pullTest(patient.url)
      yield* pulled(first.settings, hub)
      assert.lengthOf(patient.fetched().filter(({ path }) => path.endsWith("/model.onnx")), 2)

      const long = yield* fakeHub({ files, large, fault: busy("3600") })
      const second = yield* pullTest(long.url)
      const { kind, message } = yield* failure(pulled(second.settings, hub))
      assert.strictEqual(kind, "busy")
      assert.include(message, "come again in 3600 s")
    }))

  it.live("asks again where the server fails, and ends where it goes on failing", () =>
    Effect.gen(function*() {
      const unwell = (times: number) =>
        firstTimes(times, ({ response }) => {
          response.writeHead(500).end()
          return true
        })
      const recovers = yield* fakeHub({ files, large, fault: unwell(2) })
      yield* pulled((yield* pullTest(recovers.url)).settings, hub)
      const stays = yield* fakeHub({ files, large, fault: unwell(1000) })
      const { kind } = yield* failure(pulled((yield* pullTest(stays.url)).settings, hub))
      assert.strictEqual(kind, "unreachable")
      assert.lengthOf(stays.fetched().filter(({ path }) => path.endsWith("/model.onnx")), 5)
    }))

  it.live("refuses what is not the file, and keeps nothing of it", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({
        files,
        large,
        fault: firstTimes(1000, ({ asked, content, response }) => {
          sendContent(asked, response, Buffer.alloc(content.length, 7), "\"other\"")
          return true
        })
      })
      const { directory, settings } = yield* pullTest(url)
      const { kind, message } = yield* failure(pulled(settings, hub))
      assert.strictEqual(kind, "checksum")
      assert.include(message, sha256(model))
      assert.deepStrictEqual(filesBelow(directory), [])
    }))

  it.live("refuses a small file that is not what git names", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({
        files,
        large,
        fault: ({ asked, content, response }) => {
          if (!asked.path.endsWith("/tokenizer.json")) return false
          sendContent(asked, response, Buffer.alloc(content.length, 7), "\"other\"")
          return true
        }
      })
      const { kind, message } = yield* failure(pulled((yield* pullTest(url)).settings, hub))
      assert.strictEqual(kind, "checksum")
      assert.include(message, "git names its content")
    }))

  it.live.each([["shorter", 0.5], ["longer", 2]] as const)(
    "is not taken in by a Content-Length that is %s than the content",
    ([, factor]) =>
      Effect.gen(function*() {
        const { url } = yield* fakeHub({
          files,
          large,
          fault: firstTimes(1, ({ content, response }) => {
            response.writeHead(200, { "content-length": Math.round(content.length * factor) })
            response.write(content.subarray(0, Math.round(content.length * Math.min(1, factor))), () => {
              response.destroy()
            })
            return true
          })
        })
        const { settings } = yield* pullTest(url)
        const { folder } = yield* pulled(settings, hub)
        assert.deepStrictEqual(Fs.readFileSync(join(folder, "onnx/model.onnx")), model)
      })
  )

  it.live("takes no encoded content for the file", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({
        files,
        large,
        fault: firstTimes(1000, ({ response }) => {
          response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(model))
          return true
        })
      })
      const { kind, message } = yield* failure(pulled((yield* pullTest(url)).settings, hub))
      assert.strictEqual(kind, "protocol")
      assert.include(message, "encoded as gzip")
    }))

  it.live("ends a body that does not end at the size that is allowed", () =>
    Effect.gen(function*() {
      let sent = 0
      const endless: Fault = ({ response }) => {
        response.writeHead(200)
        const more = (): void => {
          sent += 65_536
          if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setImmediate(more))
        }
        more()
        return true
      }
      const { url } = yield* fakeHub({ files: { "model.onnx": model }, fault: endless })
      const { directory, settings } = yield* pullTest(url, { maxSize: 1_000_000 })
      const from = `${url}/${repository}/resolve/${commit}/model.onnx`
      const { kind, message } = yield* failure(pulled(settings, from))
      assert.strictEqual(kind, "too-large")
      assert.include(message, "--max-size")
      assert.deepStrictEqual(filesBelow(directory), [])
      assert.isBelow(sent, 100_000_000)
    }))

  it.live("fetches nothing of a file that is said to be too large", () =>
    Effect.gen(function*() {
      const { fetched, url } = yield* fakeHub({ files, large })
      const { settings } = yield* pullTest(url, { maxSize: 1000 })
      assert.strictEqual((yield* failure(pulled(settings, hub))).kind, "too-large")
      assert.deepStrictEqual(fetched(), [])
    }))
})

describe("two pulls at once", () => {
  it.live("fetch a file once", () =>
    Effect.gen(function*() {
      const { fetched, url } = yield* fakeHub({ files, large })
      const first = yield* pullTest(url)
      const second = yield* pullTest(url, { directory: first.directory })
      yield* Effect.all([pulled(first.settings, hub), pulled(second.settings, hub)], { concurrency: "unbounded" })
      assert.lengthOf(fetched().filter(({ path }) => path.endsWith("/model.onnx")), 1)
      assert.isTrue([...first.told, ...second.told].some((line) => line.startsWith(`waits for ${process.pid}`)))
    }))
})

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
