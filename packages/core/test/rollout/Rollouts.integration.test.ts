/**
 * Rollouts of several processes that share a store and nothing else.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fork } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { redisServer, withoutRedis } from "../RedisServer.ts"

const program = join(import.meta.dirname, "..", "fixtures", "RolloutProcess.ts")

interface Told {
  readonly decided?: string
  readonly standing?: string
}

/** Processes until the scope closes: what each says, as it says it. */
const processes = (count: number, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const decided: Array<string> = []
      const standing = Array.from({ length: count }, () => "")
      const children = standing.map((_, index) =>
        fork(program, args, { silent: true }).on("message", (told: Told) => {
          if (told.decided !== undefined) decided.push(told.decided)
          if (told.standing !== undefined) standing[index] = told.standing
        })
      )
      return { decided, standing, children }
    }),
    ({ children }) =>
      Effect.promise(() =>
        Promise.all(children.map(async (child) => {
          if (child.exitCode !== null || child.signalCode !== null) return
          const exit = once(child, "exit")
          child.kill("SIGKILL")
          await exit
        }))
      )
  )

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "sluice-rollouts-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const stores = [
  ["files", Effect.map(folder, (path) => ["file", path] as const)],
  ...(withoutRedis ? [] : [["Redis", Effect.map(redisServer, ({ port }) => ["redis", String(port)] as const)] as const])
] as const

const until = (isSo: () => boolean) => Effect.repeat(Effect.sleep("10 millis"), { until: isSo })

describe.each(stores)("processes that share %s", (_, store) => {
  it.live("bring a good target to all traffic by one decision a step", () =>
    Effect.gen(function*() {
      const { decided, standing } = yield* processes(3, ...(yield* store), "0")
      yield* until(() => standing.every((each) => each === "promoted 100"))
      assert.deepStrictEqual(decided.toSorted(), ["advance 100", "advance 50", "promote 100"])
    }).pipe(Effect.scoped))

  it.live("take a bad target back by one decision, and a process that starts later knows it", () =>
    Effect.gen(function*() {
      const place = yield* store
      const first = yield* processes(2, ...place, "0.2")
      yield* until(() => first.standing.every((each) => each === "rolled_back 0"))
      assert.deepStrictEqual(first.decided, ["roll_back 0"])
      const later = yield* processes(1, ...place, "0")
      yield* until(() => later.standing[0] !== "")
      assert.deepStrictEqual(later.standing, ["rolled_back 0"])
    }).pipe(Effect.scoped))
})
