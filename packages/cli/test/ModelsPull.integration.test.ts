/**
 * `sluice models pull` as a process: from a hub of this test's own, killed at any point, and offline.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { seeded } from "../../core/test/batching/Seeded.ts"
import { commit, fakeHub, type Fault, repository, sha256 } from "../../core/test/store/FakeHub.ts"
import { changesBelow } from "../../core/test/store/Pulls.ts"
import { inRepository } from "../../server/test/harness/ServerProcess.ts"
import { onnxModel } from "./OnnxModel.ts"
import { sluice, temporaryFolder } from "./SluiceProcess.ts"

const model = onnxModel(randomBytes(8_000_000))
const files = { "onnx/model.onnx": model, "tokenizer.json": Buffer.from("{}"), "config.json": Buffer.from("{}") }
const large = ["onnx/model.onnx"]
const source = `hf:${repository}`

interface Place {
  readonly store: string
  readonly lock: string
  readonly env: Readonly<Record<string, string>>
}

const place = (url: string, more: Readonly<Record<string, string>> = {}) =>
  Effect.map(temporaryFolder, (folder): Place => ({
    store: join(folder, "store"),
    lock: join(folder, "models.lock.json"),
    env: { SLUICE_MODEL_STORE: join(folder, "store"), HF_ENDPOINT: url, ...more }
  }))

const pull = ({ env, lock }: Place, ...args: ReadonlyArray<string>) =>
  sluice(["models", "pull", ...args, "--allow-http", "--lock", lock], { env })

/** What is in the store under its final name is whole, whatever was interrupted. */
const assertWhole = ({ lock, store }: Place): void => {
  const blobs = join(store, "blobs/sha256")
  const names = existsSync(blobs) ? readdirSync(blobs) : []
  for (const name of names) {
    assert.strictEqual(createHash("sha256").update(readFileSync(join(blobs, name))).digest("hex"), name)
  }
  const snapshots = join(store, "snapshots")
  const entries = existsSync(snapshots) ? readdirSync(snapshots, { recursive: true, withFileTypes: true }) : []
  for (const entry of entries.filter((each) => each.isFile() && /^[^.]+\.(onnx|json)$/.test(each.name))) {
    assert.include(names, sha256(readFileSync(join(entry.parentPath, entry.name))))
  }
  if (existsSync(lock)) assert.lengthOf(JSON.parse(readFileSync(lock, "utf8")).models, 1)
}

/** A pull that is killed as soon as this is so, if it is before the pull ends. */
const killedWhen = ({ env, lock }: Place, isTime: () => boolean) =>
  Effect.promise(async () => {
    const main = inRepository("packages/cli/src/main.ts")
    const child = spawn(process.execPath, [main, "models", "pull", source, "--allow-http", "--lock", lock], {
      env: { PATH: process.env["PATH"], ...env },
      stdio: "ignore"
    })
    const watch = setInterval(() => isTime() && child.kill("SIGKILL"), 1)
    await once(child, "exit")
    clearInterval(watch)
  })

const filesIn = (folder: string): number => existsSync(folder) ? readdirSync(folder, { recursive: true }).length : 0

/** Sends a piece when the one before is in the file: what sockets hold back would be sent long before it is kept. */
const atItsPace = (kept: () => number): Fault => ({ asked, content, response }) => {
  if (!asked.path.endsWith(".onnx")) return false
  const from = Number(/\d+/.exec(asked.range ?? "")?.[0] ?? 0)
  response.writeHead(from > 0 ? 206 : 200, {
    etag: "\"one\"",
    "content-length": content.length - from,
    ...(from > 0 ? { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` } : {})
  })
  const send = (at: number): void => {
    if (response.destroyed) return
    if (at >= content.length) return void response.end()
    if (at - kept() > 262_144) return void setTimeout(() => send(at), 1)
    response.write(content.subarray(at, at + 131_072), () => setImmediate(() => send(at + 131_072)))
  }
  send(from)
  return true
}

describe("sluice models pull", () => {
  it.live("gets a repository's model, tells where it is, and locks it", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({ files, large, token: "hf_secret" })
      const here = yield* place(url, { HF_TOKEN: "hf_secret" })
      const { code, stderr, stdout } = yield* pull(here, source)
      assert.strictEqual(code, 0, stderr)
      assert.match(stdout, new RegExp(`^onnx/model\\.onnx +7\\.6 MiB +${sha256(model)}$`, "m"))
      assert.match(stderr, /^onnx\/model\.onnx: 7\.6 MiB$/m)
      assert.notInclude(stdout + stderr, "hf_secret")

      const locked = yield* pull(here, "--output", "json")
      assert.strictEqual(locked.code, 0, locked.stderr)
      const { models } = JSON.parse(locked.stdout)
      assert.deepStrictEqual(readFileSync(join(models[0].folder, "onnx/model.onnx")), model)
    }))

  it.live("asks no server offline, and says what is missing or not known", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* fakeHub({ files, large })
      const here = yield* place(url)
      const unknown = yield* pull(here, source, "--offline")
      assert.strictEqual(unknown.code, 1)
      assert.match(unknown.stderr, /is not in the lock file, and offline nothing is asked/)
      yield* pull(here, source)
      const requests = asked.length
      const offline = { ...here, env: { ...here.env, HF_HUB_OFFLINE: "1" } }
      assert.strictEqual((yield* pull(offline, source)).code, 0)
      assert.strictEqual((yield* pull(here, "--offline")).code, 0)
      const elsewhere = yield* place(url)
      const missing = yield* pull({ ...elsewhere, lock: here.lock }, "--offline")
      assert.strictEqual(missing.code, 1)
      assert.match(missing.stderr, /is not in the store .* pull it once with the network/)
      assert.strictEqual(asked.length, requests)
    }))

  it.live("needs no permission for http: offline, where nothing is fetched", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({ files, large })
      const here = yield* place(url)
      const address = `${url}/${repository}/resolve/${commit}/onnx/model.onnx`
      assert.strictEqual((yield* pull(here, address)).code, 0)
      const offline = yield* sluice(["models", "pull", "--offline", "--lock", here.lock], { env: here.env })
      assert.strictEqual(offline.code, 0, offline.stderr)
      const named = yield* sluice(["models", "pull", address, "--offline", "--lock", here.lock], { env: here.env })
      assert.strictEqual(named.code, 0, named.stderr)
      const online = yield* sluice(["models", "pull", "--lock", here.lock], { env: here.env })
      assert.match(online.stderr, /--allow-http/)
    }))

  it.live("writes nothing where all is here and locked already", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({ files, large })
      const here = yield* place(url)
      assert.strictEqual((yield* pull(here, source)).code, 0)
      const before = [...changesBelow(here.store), ...changesBelow(dirname(here.lock))]
      for (const args of [[source], [source, "--offline"], ["--offline"]]) {
        const { code, stderr } = yield* pull(here, ...args)
        assert.strictEqual(code, 0, stderr)
      }
      assert.deepStrictEqual([...changesBelow(here.store), ...changesBelow(dirname(here.lock))], before)
    }))

  it.live("says what is wrong with a lock file that was edited", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({ files, large })
      const here = yield* place(url)
      yield* pull(here, source)
      const written = readFileSync(here.lock, "utf8")
      for (
        const [text, says] of [
          [written.replace(`"size": ${model.length}`, `"size": ${model.length - 1}`), /one of them was edited/],
          [written.replace(/"files": \[[^\]]*\]/, "\"files\": []"), /the files of the model, at least one/]
        ] as const
      ) {
        assert.notStrictEqual(text, written)
        writeFileSync(here.lock, text)
        const { code, stderr } = yield* pull(here, "--offline")
        assert.strictEqual(code, 1)
        assert.match(stderr, says)
      }
    }))

  it.live("looks into the model: gets the weights that it names, and takes no other file for one", () =>
    Effect.gen(function*() {
      const whole = { "model.onnx": onnxModel(randomBytes(10), "weights/0.bin"), "weights/0.bin": randomBytes(16) }
      const first = yield* fakeHub({ files: whole })
      const here = yield* place(first.url)
      const { code, stderr, stdout } = yield* pull(here, source)
      assert.strictEqual(code, 0, stderr)
      assert.match(stdout, /^weights\/0\.bin +16 B/m)

      const cut = yield* fakeHub({ files: { "model.onnx": whole["model.onnx"].subarray(0, 60) } })
      const broken = yield* pull(yield* place(cut.url), source)
      assert.strictEqual(broken.code, 1)
      assert.match(broken.stderr, /model\.onnx: what came is not such a file, .*it ends after 60 of at least \d+ bytes/)
    }))

  it.live("goes on after kill -9 at any point, and what the store has is whole", () =>
    Effect.gen(function*() {
      const random = seeded(20261121)
      let partial = ""
      const kept = () => statSync(partial, { throwIfNoEntry: false })?.size ?? 0
      const { asked, url } = yield* fakeHub({ files, large, fault: atItsPace(() => kept()) })
      const here = yield* place(url)
      partial = join(here.store, "partial", `${sha256(model)}.onnx`)
      for (let round = 0; round < 6; round++) {
        const killAt = kept() + Math.floor(random() * 2_000_000)
        yield* killedWhen(here, () => kept() >= killAt)
        assertWhole(here)
      }
      const { code, stderr } = yield* pull(here, source)
      assert.strictEqual(code, 0, stderr)
      assertWhole(here)
      assert.strictEqual((yield* pull(here, "--offline")).code, 0)
      const starts = asked.filter(({ method, host }) => host === "files" && method === "GET")
        .map(({ range }) => Number(/\d+/.exec(range ?? "")?.[0] ?? 0))
      assert.deepStrictEqual(starts, starts.toSorted((a, b) => a - b), "it went back")
      assert.isAbove(starts.at(-1) ?? 0, 1_000_000)
      assert.notInclude(readdirSync(join(here.store, "partial")), `${sha256(model)}.onnx`)
    }))

  it.live("goes on after kill -9 while files are kept, linked and locked", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeHub({ files, large })
      const here = yield* place(url)
      const blobs = join(here.store, "blobs/sha256")
      const snapshots = join(here.store, "snapshots")
      for (
        const isTime of [
          () => existsSync(blobs),
          () => filesIn(blobs) > 0,
          () => filesIn(snapshots) > 3,
          () => filesIn(blobs) > 1,
          () => existsSync(here.lock)
        ]
      ) {
        yield* killedWhen(here, isTime)
        assertWhole(here)
      }
      assert.strictEqual((yield* pull(here, source)).code, 0)
      assert.strictEqual((yield* pull(here, "--offline")).code, 0)
      assertWhole(here)
    }))
})
