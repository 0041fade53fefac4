import { assert, describe, it } from "@effect/vitest"
import { holdLock } from "@sluice/core/store/OwnedLock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { temporaryFolder } from "./Pulls.ts"

const lockIn = Effect.map(temporaryFolder, (folder) => join(folder, "file.lock"))

const ownerFile = (pid: number, started = "", host = hostname()): string =>
  JSON.stringify({ pid, host, started, nonce: "theirs" })

/** A process that lives until the scope closes. */
const otherProcess = Effect.acquireRelease(
  Effect.sync(() => spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" })),
  (child) =>
    Effect.promise(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, "exit")
      child.kill("SIGKILL")
      await ended
    })
)

const held = (path: string) => Effect.scoped(holdLock(path, { wait: false }))

describe("holdLock", () => {
  it.live("is held by one at a time, and the file is gone with the last", () =>
    Effect.gen(function*() {
      const path = yield* lockIn
      let inside = 0
      let most = 0
      const work = Effect.scoped(Effect.gen(function*() {
        yield* holdLock(path, { wait: true })
        most = Math.max(most, ++inside)
        yield* Effect.yieldNow
        inside--
      }))
      yield* Effect.all(Array.from({ length: 8 }, () => work), { concurrency: "unbounded" })
      assert.strictEqual(most, 1)
      assert.deepStrictEqual(Fs.readdirSync(join(path, "..")), [])
    }))

  it.live("waits for a living process, tells for which, and takes over when it is killed", () =>
    Effect.gen(function*() {
      const path = yield* lockIn
      const child = yield* otherProcess
      const pid = child.pid ?? 0
      Fs.writeFileSync(path, ownerFile(pid))
      const { kind, message } = yield* Effect.flip(held(path))
      assert.strictEqual(kind, "locked")
      assert.include(message, `process ${pid} on ${hostname()}`)

      const waiting = yield* Deferred.make<number>()
      const fiber = yield* Effect.forkChild(Effect.scoped(holdLock(path, {
        wait: true,
        onWait: (owner) => Deferred.succeed(waiting, owner.pid)
      })))
      assert.strictEqual(yield* Deferred.await(waiting), pid)
      const ended = once(child, "exit")
      child.kill("SIGKILL")
      yield* Effect.promise(() => ended)
      yield* Fiber.join(fiber)
    }))

  it.live("takes over from a process whose number was given out again", () =>
    Effect.gen(function*() {
      const path = yield* lockIn
      Fs.writeFileSync(path, ownerFile(process.pid))
      yield* held(path)
      // The start time is what only Linux tells.
      if (process.platform !== "linux") return
      const child = yield* otherProcess
      Fs.writeFileSync(path, ownerFile(child.pid ?? 0, "1"))
      yield* held(path)
    }))

  it.live("knows nothing of another machine's processes", () =>
    Effect.gen(function*() {
      const path = yield* lockIn
      Fs.writeFileSync(path, ownerFile(1, "", "elsewhere.example"))
      assert.include((yield* Effect.flip(held(path))).message, `remove ${path}`)
    }))

  it.live("says when it was lost", () =>
    Effect.gen(function*() {
      const path = yield* lockIn
      const lock = yield* holdLock(path, { wait: false })
      yield* lock.check
      Fs.writeFileSync(path, ownerFile(process.pid))
      assert.strictEqual((yield* Effect.flip(lock.check)).kind, "locked")
    }))

  it.live("takes over what a power cut left empty, once nobody can be writing it", () =>
    Effect.gen(function*() {
      const path = yield* lockIn
      for (const blank of ["", "\0".repeat(80)]) {
        Fs.writeFileSync(path, blank)
        assert.strictEqual((yield* Effect.flip(held(path))).kind, "locked")
        const secondsAgo = Date.now() / 1000 - 10
        Fs.utimesSync(path, secondsAgo, secondsAgo)
        yield* held(path)
        assert.deepStrictEqual(Fs.readdirSync(join(path, "..")), [])
      }
    }))

  it.live("takes no other file for a lock", () =>
    Effect.gen(function*() {
      const path = yield* lockIn
      Fs.writeFileSync(path, "notes")
      assert.include((yield* Effect.flip(held(path))).message, "is no lock file of ours")
      assert.strictEqual(Fs.readFileSync(path, "utf8"), "notes")
    }))
})
