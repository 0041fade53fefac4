/**
 * A real redis-server for a test: on a port of its own, with nothing kept on disk, gone when the scope closes.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface RedisServer {
  readonly port: number
  /** Ends it at once, as a crash does. */
  readonly kill: Effect.Effect<void>
  /** Starts it again, empty, on the same port. */
  readonly restart: Effect.Effect<void>
  /** It keeps its connections and accepts new ones, and answers nothing. */
  readonly stall: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  /** Runs a command on a connection of its own. */
  readonly command: (...parts: readonly [string, ...Array<string>]) => Effect.Effect<unknown>
}

/** Whether to skip what needs a redis-server, loudly; where skips are forbidden it never is, and the tests fail. */
export const withoutRedis: boolean = (() => {
  if (spawnSync("redis-server", ["--version"]).status === 0) return false
  if (process.env["SLUICE_NO_SKIPS"] === "1") return false
  process.stderr.write("SKIPPED: no redis-server on PATH, so nothing that needs one is tested\n")
  return true
})()

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  if (address === null || typeof address === "string") throw new Error("no port")
  return address.port
}

/** Files in PEM; with `askClients` a client has to show a certificate of the authority's, too. */
export interface RedisServerTls {
  readonly ca: string
  readonly cert: string
  readonly key: string
  readonly askClients: boolean
}

const portArguments = (port: number, tls: RedisServerTls | undefined): ReadonlyArray<string> =>
  tls === undefined ? ["--port", String(port)] : Object.entries({
    "--port": "0",
    "--tls-port": String(port),
    "--tls-ca-cert-file": tls.ca,
    "--tls-cert-file": tls.cert,
    "--tls-key-file": tls.key,
    "--tls-auth-clients": tls.askClients ? "yes" : "no"
  }).flat()

const start = async (port: number, folder: string, tls?: RedisServerTls): Promise<ChildProcess> => {
  const own = ["--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"]
  const args = [...portArguments(port, tls), ...own]
  const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] })
  let output = ""
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject)
    child.once("exit", () => reject(new Error(`redis-server ended: ${output}`)))
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes("Ready to accept connections")) resolve()
    })
  })
  return child
}

/** On a port that was free a moment ago; another test may have taken it since, and then on another. */
const startSomewhere = async (
  folder: string,
  tls: RedisServerTls | undefined
): Promise<{ readonly child: ChildProcess; readonly port: number }> => {
  for (let attempt = 1;; attempt++) {
    const port = await freePort()
    try {
      return { child: await start(port, folder, tls), port }
    } catch (error) {
      if (attempt === 5 || !String(error).includes("Address already in use")) throw error
    }
  }
}

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, "exit")
  child.kill("SIGKILL")
  await ended
}

/** A client that shows the server's own certificate. */
const clientTls = (tls: RedisServerTls | undefined) =>
  tls === undefined
    ? { host: "127.0.0.1" }
    : { host: "localhost", tls: { ca: readFileSync(tls.ca), cert: readFileSync(tls.cert), key: readFileSync(tls.key) } }

const serve = Effect.fnUntraced(function*(tls: RedisServerTls | undefined) {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "sluice-redis-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  )
  const { child, port } = yield* Effect.promise(() => startSomewhere(folder, tls))
  const running = { child }
  yield* Effect.addFinalizer(() => Effect.promise(() => end(running.child)))
  const signal = (name: "SIGSTOP" | "SIGCONT") =>
    Effect.sync(() => {
      running.child.kill(name)
    })
  return {
    port,
    kill: Effect.promise(() => end(running.child)),
    restart: Effect.promise(async () => {
      await end(running.child)
      running.child = await start(port, folder, tls)
    }),
    stall: signal("SIGSTOP"),
    resume: signal("SIGCONT"),
    command: (name, ...args) =>
      Effect.promise(async () => {
        const client = new Redis({ ...clientTls(tls), port, retryStrategy: null })
        try {
          return await client.call(name, ...args)
        } finally {
          client.disconnect()
        }
      })
  } satisfies RedisServer
})

export const redisServer: Effect.Effect<RedisServer, never, Scope.Scope> = serve(undefined)

/** One that speaks TLS alone. */
export const redisTlsServer = (tls: RedisServerTls): Effect.Effect<RedisServer, never, Scope.Scope> => serve(tls)
