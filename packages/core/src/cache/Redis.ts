/**
 * One connection to Redis, shared by all that keeps state there. It never fails the process and never queues a command
 * for later: while the connection is down, commands fail at once.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EffectRedis from "effect/persistence/Redis"
import * as Redacted from "effect/Redacted"
import type { Redis as Client } from "ioredis"
import { makeBoundedLog } from "../telemetry/BoundedLog.ts"
import { CacheStoreHealth } from "./CacheStoreHealth.ts"

/** What TLS takes beside a `rediss://` URL, each in PEM. */
export interface RedisTls {
  /** Who may have signed the server's certificate; those that Node trusts when left out. */
  readonly ca?: string
  /** The certificate of this client, with its key. */
  readonly cert?: string
  readonly key?: Redacted.Redacted<string>
}

/** A `redis://` or `rediss://` URL, which may hold a password, or a host. */
export type RedisAddress =
  | { readonly url: Redacted.Redacted<string>; readonly tls?: RedisTls | undefined }
  | { readonly host: string; readonly port: number; readonly db: number }

/** Milliseconds to connect, and to wait for a reply before the connection is given up and made anew. */
const connectTimeout = 2_000
const replyTimeout = 2_000

/** Milliseconds until the next attempt to connect: soon after a restart of Redis, and not in step with other processes. */
const retryDelay = (attempt: number): number => Math.min(50 * 2 ** (attempt - 1), 1_000) * (0.75 + Math.random() / 2)

export class RedisConnection extends Context.Service<RedisConnection, {
  readonly client: Client
  readonly health: Effect.Effect<"ready" | "degraded">
}>()("sluice/RedisConnection") {}

const whereOf = ({ options }: Client): string => options.path ?? `${options.host}:${options.port}`

const failure = (cause: unknown) => new EffectRedis.RedisError({ cause })

const tlsOptions = ({ key, ...rest }: RedisTls) => ({
  tls: { ...rest, ...(key === undefined ? {} : { key: Redacted.value(key) }), minVersion: "TLSv1.2" as const }
})

const open = Effect.fnUntraced(function*(address: RedisAddress) {
  // Loaded here because it takes 40 ms, which a server without Redis need not pay.
  const { Redis } = yield* Effect.promise(() => import("ioredis"))
  const options = {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // On a loss of the connection, what was sent and not answered fails at once.
    maxRetriesPerRequest: 0,
    connectTimeout,
    socketTimeout: replyTimeout,
    retryStrategy: retryDelay
  }
  return yield* Effect.acquireRelease(
    Effect.sync(() =>
      "url" in address
        ? new Redis(Redacted.value(address.url), {
          ...options,
          ...(address.tls === undefined ? {} : tlsOptions(address.tls))
        })
        : new Redis({ ...options, ...address })
    ),
    (client) => Effect.sync(() => client.disconnect())
  )
})

/** Follows the connection and logs each change of its state once, not each attempt; those of one that comes and goes are summed. */
const watch = Effect.fnUntraced(function*(client: Client) {
  const log = yield* makeBoundedLog
  const where = whereOf(client)
  let state: "connecting" | "ready" | "degraded" = "connecting"
  const changed = (line: Effect.Effect<void>): void =>
    log("connection", line, (count) =>
      Effect.logWarning(
        `redis at ${where} came and went, ${count} more changes, and is ${
          state === "ready" ? "connected" : "not reachable"
        } now`
      ))
  client.on("ready", () => {
    if (state !== "ready") changed(Effect.logInfo(`redis at ${where} is connected`))
    state = "ready"
  })
  const lost = (reason: string): void => {
    if (state !== "degraded") {
      changed(Effect.logWarning(`redis at ${where} is not reachable, going on without it: ${reason}`))
    }
    state = "degraded"
  }
  // Without a listener ioredis prints each error to the console.
  client.on("error", (error) => lost(error.message))
  client.on("close", () => lost("the connection was closed"))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      client.removeAllListeners("close")
    })
  )
  return Effect.sync(() => state === "ready" ? "ready" as const : "degraded" as const)
})

const sendOn = (client: Client) => <A = unknown>(command: string, ...args: ReadonlyArray<string>) =>
  Effect.tryPromise({ try: () => client.call(command, ...args) as Promise<A>, catch: failure })

/** A connection of its own that is not made again once lost. */
const duplicate = (client: Client) =>
  Effect.tryPromise({
    try: async () => {
      // Blocking commands may be silent for as long as they like.
      const own = client.duplicate({ retryStrategy: null, socketTimeout: undefined })
      // Its errors reach whoever uses it, as failures of its commands.
      own.on("error", () => {})
      try {
        await own.connect()
        return own
      } catch (cause) {
        own.disconnect()
        throw cause
      }
    },
    catch: failure
  })

const persistence = (client: Client) =>
  EffectRedis.make({
    send: sendOn(client),
    connect: Effect.map(duplicate(client), (own) => ({
      send: sendOn(own),
      close: Effect.sync(() => own.disconnect())
    })),
    subscribe: Effect.fnUntraced(function*(channel, onMessage) {
      const ended = yield* Deferred.make<void, EffectRedis.RedisError>()
      const own = yield* Effect.acquireRelease(duplicate(client), (connection) =>
        Effect.sync(() => connection.disconnect()))
      own.on("message", (from, message) =>
        onMessage({ channel: from, message }))
      own.once("end", () => Deferred.doneUnsafe(ended, failure(new Error("the subscription's connection was lost"))))
      yield* Effect.tryPromise({ try: () => own.subscribe(channel), catch: failure })
      return Deferred.await(ended)
    })
  })

/** Connects in the background: building it takes no longer without Redis, and fails no request. */
export const layer = (
  address: RedisAddress
): Layer.Layer<RedisConnection | EffectRedis.Redis | CacheStoreHealth> =>
  Layer.effectContext(Effect.gen(function*() {
    const client = yield* open(address)
    const health = yield* watch(client)
    // Failed attempts are told to the listeners of `error`, and repeated.
    client.connect().catch(() => undefined)
    return Context.make(RedisConnection, { client, health }).pipe(
      Context.add(EffectRedis.Redis, yield* persistence(client)),
      Context.add(CacheStoreHealth, { state: health })
    )
  }))
