/**
 * The command itself, as a process: version, completions, a wrong call, the launcher, `config` and `serve`.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { inRepository } from "../../server/test/harness/ServerProcess.ts"
import { sluice, temporaryFolder } from "./SluiceProcess.ts"

describe("sluice", () => {
  it.live("tells its version", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* sluice(["--version"])
      assert.strictEqual(code, 0)
      assert.match(stdout, /^sluice v\d+\.\d+\.\d+$/m)
    }))

  it.live("completes what is typed, in a shell that has read its script", () =>
    Effect.gen(function*() {
      const { stdout: script } = yield* sluice(["--completions", "bash"])
      // As bash does it on Tab: the function that `complete` registered, on the words of the line.
      const typed = `COMP_LINE="sluice pre" COMP_POINT=10 COMP_WORDS=(sluice pre) COMP_CWORD=1
registered=$(complete -p sluice | sed 's/.*-F \\([^ ]*\\).*/\\1/')
"$registered"
echo "\${COMPREPLY[@]}"`
      const { stderr, stdout } = yield* sluice(["-c", `${script}\n${typed}`], { program: ["bash"] })
      assert.deepStrictEqual([stdout.trim(), stderr], ["predict", ""])
    }))

  it.live("names a wrong call in one line, shows the way to help, and ends with 2", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* sluice(["predct", "sentiment"])
      assert.strictEqual(code, 2)
      assert.strictEqual(stdout, "")
      assert.match(stderr, /^sluice: Unknown subcommand "predct".*\n(.*\n)*sluice --help shows how it is used\n$/)
    }))

  it.live("runs on its own Node, whatever Node is on PATH and wherever it is called from", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      symlinkSync(inRepository("packages/cli/bin/sluice"), join(folder, "sluice"))
      writeFileSync(join(folder, "node"), "#!/bin/sh\necho an old node ran >&2\nexit 9\n", { mode: 0o755 })
      const { code, stderr, stdout } = yield* sluice(["--version"], {
        cwd: folder,
        program: [join(folder, "sluice")],
        env: { PATH: `${folder}:/usr/bin:/bin` }
      })
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.match(stdout, /^sluice v/)
    }))

  it.live("ends quietly when its reader has had enough", () =>
    Effect.gen(function*() {
      const main = inRepository("packages/cli/src/main.ts")
      const ran = yield* sluice([], { program: ["/bin/sh", "-c", `"${process.execPath}" "${main}" config | head -1`] })
      assert.match(ran.stdout, /^SETTING/)
      assert.strictEqual(ran.stderr, "")
    }))
})

describe("sluice config", () => {
  it.live("shows each setting with its value, unit, source and meaning", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* sluice(["config"], { env: { BATCH_WINDOW: "2 ms" } })
      assert.strictEqual(code, 0)
      assert.match(
        stdout,
        /^batching\.window +BATCH_WINDOW +2 ms +ms +env BATCH_WINDOW\n {4}How long a batch may wait/m
      )
      assert.match(stdout, /^batching\.queue_capacity +QUEUE_CAPACITY +1024 +items +config\/sluice\.yaml:\d+$/m)
    }))

  it.live("keeps secrets to itself, also as JSON", () =>
    Effect.gen(function*() {
      const env = { AUTH_TOKEN: "open-sesame", REDIS_URL: "redis://ann:hush@localhost:6379/0" }
      for (const output of ["table", "json"]) {
        const { stderr, stdout } = yield* sluice(["config", "--output", output], { env })
        assert.notMatch(stdout + stderr, /open-sesame|hush/)
        assert.include(stdout, "<redacted>")
      }
    }))

  it.live("gives programs one row a setting", () =>
    Effect.gen(function*() {
      const { stdout } = yield* sluice(["config", "-o", "json"], { env: { PORT: "8123" } })
      const rows: ReadonlyArray<Readonly<Record<string, string>>> = JSON.parse(stdout)
      const port = rows.find((row) => row["key"] === "server.port")
      assert.include(port, { env: "PORT", value: "8123", source: "env PORT", unit: "" })
      assert.isTrue(rows.every((row) => row["meaning"] !== ""))
    }))

  it.live("names every mistake with its place, and ends with 1", () =>
    Effect.gen(function*() {
      const file = join(yield* temporaryFolder, "sluice.yaml")
      writeFileSync(file, "server:\n  port: eighty\n  hots: 0.0.0.0\n")
      const { code, stderr, stdout } = yield* sluice(["config", "--config", file])
      assert.strictEqual(code, 1)
      assert.strictEqual(stdout, "")
      assert.include(stderr, `${file}:2: server.port: expected a whole number`)
      assert.include(stderr, `${file}:3: server.hots: unknown setting (did you mean "host"?)`)
    }))
})

/** `sluice serve` for as long as a scope, once it has printed this. */
const serving = (args: ReadonlyArray<string>, expected: RegExp) =>
  Effect.gen(function*() {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(inRepository("packages/cli/bin/sluice"), ["serve", ...args], {
          cwd: inRepository("."),
          env: { PATH: process.env["PATH"], PORT: "1", DRAIN_DELAY: "0", MODEL_REGISTRY: "of/no/use.yaml" },
          stdio: ["ignore", "pipe", "inherit"]
        })
      ),
      (child) =>
        Effect.promise(async () => {
          if (child.exitCode !== null || child.signalCode !== null) return
          child.kill("SIGKILL")
          await once(child, "exit")
        })
    )
    const matched = yield* Effect.callback<RegExpExecArray, Error>((resume) => {
      let output = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text
        const found = expected.exec(output)
        if (found !== null) resume(Effect.succeed(found))
      })
      child.on(
        "exit",
        () => resume(Effect.fail(new Error(`it ended before it printed ${String(expected)}:\n${output}`)))
      )
    })
    return { child, matched }
  })

describe("sluice serve", () => {
  it.live("serves by its flags over the environment, until SIGTERM", () =>
    Effect.gen(function*() {
      const { child, matched } = yield* serving(
        ["--port", "0", "--host", "127.0.0.1", "--registry", "config/model_registry.yaml"],
        /listens on (http:\/\/localhost:\d+)[^]*model versions ready/
      )
      const url = matched[1] ?? ""
      const ran = yield* sluice(["predict", "sentiment", "I love this product!", "--url", url])
      assert.match(ran.stdout, /positive/)

      const port = new URL(url).port
      const second = yield* sluice(["serve", "--port", port])
      assert.strictEqual(second.code, 1)
      assert.match(second.stderr, new RegExp(`^sluice: port ${port} on 127\\.0\\.0\\.1 is in use: .*$`, "m"))

      const ended = once(child, "exit")
      child.kill("SIGTERM")
      assert.deepStrictEqual(yield* Effect.promise(() => ended), [0, null])
    }))

  it.live("ends with a sentence on a file that is not there, and refuses what is no port", () =>
    Effect.gen(function*() {
      const noConfig = yield* sluice(["serve", "--config", "nowhere.yaml"])
      assert.deepStrictEqual([noConfig.code, noConfig.stdout], [1, ""])
      assert.match(noConfig.stderr, /^sluice: nowhere\.yaml: this file does not exist$/m)
      const noRegistry = yield* sluice(["serve", "--registry", "nowhere.yaml"])
      assert.strictEqual(noRegistry.code, 1)
      assert.match(noRegistry.stderr, /^sluice: nowhere\.yaml: this file does not exist$/m)
      const noPort = yield* sluice(["serve", "--port", "99999"])
      assert.strictEqual(noPort.code, 2)
      assert.match(noPort.stderr, /a port from 0 to 65535/)
    }))
})
