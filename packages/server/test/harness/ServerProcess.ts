/**
 * The real server as a process of its own, on a free port, for as long as a scope: what a stranger meets.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Readable } from "node:stream"
import { fileURLToPath } from "node:url"

const repository = fileURLToPath(new URL("../../../../", import.meta.url))

/** A path in the repository, absolute. */
export const inRepository = (path: string): string => join(repository, path)

/** A file beside these tests. */
export const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))

export interface ServerOptions {
  /** Beside PORT=0 and what programs need to run. */
  readonly env?: Readonly<Record<string, string>>
  /** The text of the registry; the shipped one when left out. Paths in it are absolute. */
  readonly registry?: string
  /** The text of the configuration file; the shipped one when left out. */
  readonly config?: string
  /** The program with its arguments; `npm start`'s when left out. */
  readonly program?: ReadonlyArray<string>
  /** Where it is started; in the repository when left out. */
  readonly cwd?: string
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface ServerProcess {
  readonly pid: number
  /** Everything it wrote so far. */
  readonly output: () => string
  readonly kill: (signal: NodeJS.Signals) => void
  readonly ended: Effect.Effect<Ended>
  /** Waits until the output has this. Fails when the process ends without. */
  readonly printed: (expected: string | RegExp) => Effect.Effect<void>
}

export interface RunningServer extends ServerProcess {
  readonly port: number
}

type Child = ChildProcessByStdio<null, Readable, Readable>

const collect = (stream: Readable): () => string => {
  let text = ""
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk
  })
  return () => text
}

const start = (options: ServerOptions, directory: string): Child => {
  const registry = join(directory, "registry.yaml")
  const config = join(directory, "sluice.yaml")
  if (options.registry !== undefined) writeFileSync(registry, options.registry)
  if (options.config !== undefined) writeFileSync(config, options.config)
  return spawn(process.execPath, [...options.program ?? [inRepository("packages/server/src/main.ts")]], {
    cwd: options.cwd ?? repository,
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      PORT: "0",
      SLUICE_STATE_DIR: join(directory, "state"),
      ...(options.registry === undefined ? {} : { MODEL_REGISTRY: registry }),
      ...(options.config === undefined ? {} : { SLUICE_CONFIG: config }),
      ...options.env
    },
    stdio: ["ignore", "pipe", "pipe"]
  })
}

const often = Schedule.spaced("10 millis")

/** A directory that is removed with the scope. */
export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-server-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

/** Starts the server; it is ended with the scope, whatever happens. */
export const spawnServer = Effect.fnUntraced(
  function*(options: ServerOptions = {}): Effect.fn.Return<ServerProcess, never, Scope.Scope> {
    const directory = yield* temporaryDirectory
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => start(options, directory)),
      (child) =>
        Effect.promise(async () => {
          if (child.exitCode !== null || child.signalCode !== null) return
          child.kill("SIGKILL")
          await once(child, "exit")
        })
    )
    const stdout = collect(child.stdout)
    const stderr = collect(child.stderr)
    const closed = once(child, "close")
    const output = () => stdout() + stderr()
    const isPrinted = (expected: string | RegExp) =>
      typeof expected === "string" ? output().includes(expected) : expected.test(output())
    return {
      pid: child.pid ?? 0,
      output,
      kill: (signal) => child.kill(signal),
      ended: Effect.promise(async () => {
        await closed
        return { code: child.exitCode, signal: child.signalCode, stdout: stdout(), stderr: stderr() }
      }),
      printed: (expected) =>
        Effect.sync(() => {
          if (isPrinted(expected)) return true
          if (child.exitCode === null && child.signalCode === null) return false
          throw new Error(`the server ended before it printed ${String(expected)}:\n${output()}`)
        }).pipe(Effect.repeat({ until: (printed) => printed, schedule: often }), Effect.asVoid)
    }
  }
)

const listening = /^Sluice listens on https?:\/\/\S+:(\d+)$/m

/** Starts the server and waits until it listens. */
export const listeningServer = Effect.fnUntraced(function*(options: ServerOptions = {}) {
  const server = yield* spawnServer(options)
  yield* server.printed(listening)
  return { ...server, port: Number(listening.exec(server.output())?.[1]) } satisfies RunningServer
})

/** Starts the server and waits until every model is ready or failed. */
export const readyServer = Effect.fnUntraced(function*(options: ServerOptions = {}) {
  const server = yield* listeningServer(options)
  yield* server.printed(/model versions ready after/)
  return server
})

/** The server that the tests of a block share. */
export class TestServer extends Context.Service<TestServer, RunningServer>()("sluice/server/test/TestServer") {
  static readonly layer = (options: ServerOptions = {}): Layer.Layer<TestServer> =>
    Layer.effect(TestServer, readyServer(options))
}
