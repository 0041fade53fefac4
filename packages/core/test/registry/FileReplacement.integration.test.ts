/**
 * Replacing a file on a real file system.
 */
import { assert, describe, it } from "@effect/vitest"
import { prepareReplacement, removeLeftovers } from "@sluice/core/registry/FileReplacement"
import { takeTurn } from "@sluice/core/registry/FileTurn"
import * as Effect from "effect/Effect"
import * as NodeFs from "node:fs"
import { hostname, tmpdir } from "node:os"
import { join } from "node:path"

const folder = Effect.acquireRelease(
  Effect.sync(() => NodeFs.mkdtempSync(join(tmpdir(), "sluice-replace-"))),
  (path) => Effect.sync(() => NodeFs.rmSync(path, { recursive: true }))
)

const replace = (path: string, text: string) =>
  Effect.scoped(Effect.flatMap(prepareReplacement(path, text), ({ commit }) => commit))

describe("a replacement", () => {
  it.live("is the whole new text, with the file's mode, and leaves nothing beside it", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const file = join(directory, "registry.yaml")
      NodeFs.writeFileSync(file, "old")
      NodeFs.chmodSync(file, 0o640)
      yield* replace(file, "new")
      assert.strictEqual(NodeFs.readFileSync(file, "utf8"), "new")
      assert.strictEqual(NodeFs.statSync(file).mode & 0o777, 0o640)
      assert.deepStrictEqual(NodeFs.readdirSync(directory), ["registry.yaml"])
    }))

  it.live("is made where a link leads, and the link stays", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      NodeFs.mkdirSync(join(directory, "data"))
      const target = join(directory, "data", "registry.yaml")
      NodeFs.writeFileSync(target, "old")
      const link = join(directory, "registry.yaml")
      NodeFs.symlinkSync(target, link)
      yield* replace(link, "new")
      assert.isTrue(NodeFs.lstatSync(link).isSymbolicLink())
      assert.strictEqual(NodeFs.readFileSync(target, "utf8"), "new")
    }))

  it.live("changes nothing until it is committed", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const file = join(directory, "registry.yaml")
      NodeFs.writeFileSync(file, "old")
      yield* Effect.scoped(prepareReplacement(file, "new"))
      assert.strictEqual(NodeFs.readFileSync(file, "utf8"), "old")
      assert.deepStrictEqual(NodeFs.readdirSync(directory), ["registry.yaml"])
    }))

  it.live("is refused before anything where the file cannot be written, without telling its path", () =>
    Effect.gen(function*() {
      const refused = yield* Effect.flip(Effect.scoped(prepareReplacement("/proc/version", "new")))
      assert.strictEqual(refused._tag, "ChangeRefused")
      assert.match(refused.message, /cannot be written here.*Change the file where it is made$/)
      assert.notInclude(refused.message, "/proc")
    }))

  it.live("that a killed process left is removed once it is old, and no other file", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const file = join(directory, "registry.yaml")
      const temporary = (id: string) => join(directory, `.registry.yaml.${id}-0000-4000-8000-000000000000.tmp`)
      const [old, young, other] = [temporary("00000000"), temporary("11111111"), join(directory, ".registry.yaml.tmp")]
      for (const each of [file, old, young, other]) NodeFs.writeFileSync(each, "")
      for (const each of [file, old, other]) NodeFs.utimesSync(each, 1000, 1000)
      yield* removeLeftovers(file)
      assert.deepStrictEqual([file, old, young, other].map((each) => NodeFs.existsSync(each)), [
        true,
        false,
        true,
        true
      ])
    }))

  it.live("that a killed process left is removed at once by who has the turn, and by the next who writes", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const file = join(directory, "registry.yaml")
      const left = join(directory, ".registry.yaml.00000000-0000-4000-8000-000000000000.tmp")
      const oldLock = join(directory, ".registry.yaml.lock.00000000-0000-4000-8000-000000000000")
      const others = [join(directory, "other.yaml"), join(directory, ".registry.yaml.swp")]
      for (const each of [file, left, oldLock, ...others]) NodeFs.writeFileSync(each, "")
      NodeFs.utimesSync(oldLock, 1000, 1000)
      yield* Effect.scoped(takeTurn(file))
      assert.deepStrictEqual(NodeFs.readdirSync(directory).toSorted(), [
        ".registry.yaml.swp",
        "other.yaml",
        "registry.yaml"
      ])
    }))

  it.live("is written by one at a time, and a turn whose owner was killed is free", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const file = join(directory, "registry.yaml")
      NodeFs.writeFileSync(file, "0")
      // The pid of no process: above what Linux gives out.
      const dead = { pid: 2 ** 30, host: hostname(), started: "", nonce: "dead" }
      NodeFs.writeFileSync(join(directory, ".registry.yaml.lock"), JSON.stringify(dead))
      const addOne = Effect.gen(function*() {
        yield* takeTurn(file)
        const number = Number(NodeFs.readFileSync(file, "utf8"))
        yield* Effect.sleep("1 millis")
        yield* replace(file, String(number + 1))
      }).pipe(Effect.scoped)
      yield* Effect.all(Array.from({ length: 5 }, () => addOne), { concurrency: "unbounded" })
      assert.strictEqual(NodeFs.readFileSync(file, "utf8"), "5")
    }))

  it.live("names the file that is in the way of a turn, without its folder", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const file = join(directory, "registry.yaml")
      NodeFs.writeFileSync(file, "0")
      NodeFs.writeFileSync(join(directory, ".registry.yaml.lock"), "notes")
      const { message } = yield* Effect.flip(Effect.scoped(takeTurn(file)))
      assert.include(message, "the file .registry.yaml.lock beside the registry file is no lock of a server: remove it")
      assert.notInclude(message, directory)
    }))
})
