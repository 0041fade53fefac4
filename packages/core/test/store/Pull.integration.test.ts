import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { commit, fakeHub, type Fault, repository, sendContent, sha256 } from "./FakeHub.ts"
import { failure, files, filesBelow, hub, large, model, pulled, pullTest } from "./Pulls.ts"

/** The first so many requests for the model's content are answered so, all later ones well. */
const firstTimes = (times: number, fault: Fault): Fault => {
  let left = times
  return (exchange) => exchange.asked.path.endsWith("/model.onnx") && left-- > 0 ? fault(exchange) : false
}

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
      const told: Array<string> = []
      const { fetched, url } = yield* fakeHub({
        files,
        large,
        fault: firstTimes(1, ({ content, response }) => {
          response.writeHead(200, { "content-length": content.length }).write(content.subarray(0, 1))
          const rest = () => told.length > 0 ? response.end(content.subarray(1)) : setTimeout(rest, 10)
          rest()
          return true
        })
      })
      const first = yield* pullTest(url, { waits: told })
      const second = yield* pullTest(url, { directory: first.directory, waits: told })
      yield* Effect.all([pulled(first.settings, hub), pulled(second.settings, hub)], { concurrency: "unbounded" })
      assert.lengthOf(fetched().filter(({ path }) => path.endsWith("/model.onnx")), 1)
      assert.deepStrictEqual(told, [`${process.pid} onnx/model.onnx`])
    }))
})
