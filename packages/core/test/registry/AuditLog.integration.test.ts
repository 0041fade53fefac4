/**
 * The audit log in memory and in a real file.
 */
import { assert, describe, it } from "@effect/vitest"
import { AuditLog, mostEntries } from "@sluice/core/registry/AuditLog"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as NodeFs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const directory = NodeFs.mkdtempSync(join(tmpdir(), "sluice-audit-"))

/** Each entry is in the server's log, too. */
const quiet = <A, E>(name: string, test: () => Effect.Effect<A, E>) =>
  it.effect(name, () => Effect.provide(test(), Logger.layer([])))

const entry = (detail: string) => ({ by: "file", action: "registry.apply", detail, outcome: "applied" as const })

const details = (limit: number) =>
  Effect.flatMap(AuditLog, (audit) => Effect.map(audit.last(limit), (entries) => entries.map(({ detail }) => detail)))

describe.each([["in memory", undefined], ["in a file", join(directory, "conform.jsonl")]])("%s", (_, file) => {
  quiet("gives the last entries, newest first, and no more than a thousand", () =>
    Effect.gen(function*() {
      const audit = yield* AuditLog
      for (let i = 0; i < mostEntries + 5; i++) yield* audit.record(entry(String(i)))
      assert.deepStrictEqual(yield* details(2), [String(mostEntries + 4), String(mostEntries + 3)])
      const all = yield* details(mostEntries + 5)
      assert.deepStrictEqual([all.length, all.at(-1)], [mostEntries, "5"])
    }).pipe(Effect.provide(AuditLog.layer(file))))
})

describe("in a file", () => {
  quiet("has one JSON line an entry, with its time, and keeps them over a restart", () =>
    Effect.gen(function*() {
      const file = join(directory, "restart.jsonl")
      const change = { added: ["iris@v2"] }
      const record = Effect.flatMap(AuditLog, (audit) => audit.record({ ...entry("one\ntwo"), change }))
      yield* Effect.provide(record, Layer.fresh(AuditLog.layer(file)))
      const at = "1970-01-01T00:00:00.000Z"
      assert.strictEqual(
        NodeFs.readFileSync(file, "utf8"),
        `${JSON.stringify({ at, ...entry("one\ntwo"), change })}\n`
      )
      assert.deepStrictEqual(yield* Effect.provide(details(10), Layer.fresh(AuditLog.layer(file))), ["one\ntwo"])
    }))

  quiet("passes over lines that are no entries", () =>
    Effect.gen(function*() {
      const file = join(directory, "torn.jsonl")
      NodeFs.writeFileSync(file, `{"at":"19\n[]\n\n${JSON.stringify({ at: "x", ...entry("whole") })}\n`)
      assert.deepStrictEqual(yield* Effect.provide(details(10), AuditLog.layer(file)), ["whole"])
    }))

  quiet("reads the end of a file that is too long to be read whole", () =>
    Effect.gen(function*() {
      const file = join(directory, "long.jsonl")
      const line = (detail: string) => `${JSON.stringify({ at: "x", ...entry(detail) })}\n`
      NodeFs.writeFileSync(file, line("x".repeat(2 * 1024 * 1024)) + line("last"))
      assert.deepStrictEqual(yield* Effect.provide(details(10), AuditLog.layer(file)), ["last"])
    }))

  quiet("that cannot be written is known before there is something to write", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.provide(details(1), AuditLog.layer(join(directory, "no", "audit.jsonl"))))
      assert.match(error.message, /audit\.jsonl: the audit log cannot be written: this file does not exist$/)
    }))
})
