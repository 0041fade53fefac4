/**
 * The `sluice` command as a process of its own: what it was given, what it wrote, how it ended.
 */
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inRepository } from "../../server/test/harness/ServerProcess.ts"

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** The repository when left out. */
  readonly cwd?: string
  readonly input?: string
  /** What to run instead of the command's main module on this Node. */
  readonly program?: readonly [command: string, ...args: Array<string>]
}

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs it to its end; interruption kills it. */
export const sluice = (args: ReadonlyArray<string>, options: RunOptions = {}): Effect.Effect<Ran, Error> =>
  Effect.callback((resume) => {
    const [command, ...first] = options.program ?? [process.execPath, inRepository("packages/cli/src/main.ts")]
    const child = spawn(command, [...first, ...args], {
      cwd: options.cwd ?? inRepository("."),
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...options.env },
      stdio: "pipe"
    })
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text
    })
    // A command that ends without reading its input closes the pipe: that is its right.
    child.stdin.on("error", () => {})
    child.stdin.end(options.input ?? "")
    child.on("error", (error) => resume(Effect.fail(error)))
    child.on("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** A folder that is gone when the scope closes. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-cli-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

/** An address where nobody listens: discard's port, which no machine of today serves. */
export const nowhere = "http://127.0.0.1:9"
