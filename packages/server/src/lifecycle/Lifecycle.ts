/**
 * Where the server stands between start and end: what readiness says, and how it stops without losing a request.
 */
import { CacheStoreHealth } from "@sluice/core/cache/CacheStoreHealth"
import { ModelRegistry, type VersionInfo } from "@sluice/core/registry/ModelRegistry"
import type { Readiness, ReadinessPart } from "@sluice/domain/ModelInfo"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import type { AnswerOf } from "../cluster/ClusterMessages.ts"
import { OtherProcesses } from "../cluster/OtherProcesses.ts"

/** A version that does not route makes nobody wait: only default versions decide. */
/** A version that was put away is loaded for who asks, or stays away because an operator said so. */
const isReady = ({ state }: VersionInfo): boolean => state === "ready" || state === "unloaded"

/** A server that is sent no requests is not asked for what it would load again then. */
const isNeeded = (info: VersionInfo): boolean => info.default && info.retried !== true

const modelPart = (info: VersionInfo): ReadinessPart => ({
  name: info.model_id,
  status: isReady(info) ? "ready" : isNeeded(info) ? "not_ready" : "degraded",
  ...(info.state === "ready" ? {} : { detail: info.state })
})

const readinessOf = (parts: ReadonlyArray<ReadinessPart>): Readiness => ({
  ready: parts.every((part) => part.status !== "not_ready"),
  parts
})

/** Another process. One that is slow to say so is not taken for one that is not ready: it may be busy. */
const processPart = ({ answer, process }: AnswerOf): ReadonlyArray<ReadinessPart> => {
  const name = `process ${process}`
  if (answer === "ended") return []
  if (answer === "starting") return [{ name, status: "not_ready", detail: "starting" }]
  if (answer === "silent" || answer._tag !== "IsReady") {
    return [{ name, status: "degraded", detail: "did not answer in time" }]
  }
  if (answer.readiness.ready) return [{ name, status: "ready" }]
  const unready = answer.readiness.parts.filter(({ status }) => status === "not_ready")
  const detail = unready.map(({ detail, name }) => detail === undefined ? name : `${name} ${detail}`).join(", ")
  return [{ name, status: "not_ready", detail }]
}

export class Lifecycle extends Context.Service<Lifecycle, {
  readonly draining: () => boolean
  /** From now on readiness fails; requests are still taken, for balancers notice late. */
  readonly drain: Effect.Effect<void>
  readonly closing: () => boolean
  /** From now on connections are closed after their next answer. */
  readonly close: Effect.Effect<void>
  /** Of this process, and of every other of this server: whoever asks may be answered by any of them. */
  readonly readiness: Effect.Effect<Readiness>
  readonly ownReadiness: Effect.Effect<Readiness>
  /** Counts a call on a connection that stays open, so that the server can wait for it. */
  readonly track: <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Waits until no tracked call is under way. */
  readonly callsEnded: Effect.Effect<void>
}>()("sluice/server/Lifecycle") {
  static readonly layer = Layer.effect(
    Lifecycle,
    Effect.gen(function*() {
      const registry = yield* ModelRegistry
      const store = yield* CacheStoreHealth
      const others = yield* OtherProcesses
      let draining = false
      let closing = false
      let calls = 0
      const idle = yield* Latch.make(true)
      const ownParts = Effect.gen(function*() {
        const models = (yield* registry.list).map(modelPart)
        const health = yield* store.state
        const parts: ReadonlyArray<ReadinessPart> = [
          ...models,
          ...(health === undefined ? [] : [{ name: "redis", status: health }]),
          ...(draining ? [{ name: "server", status: "not_ready" as const, detail: "draining" }] : [])
        ]
        return parts
      })
      const enter = Effect.suspend(() => calls++ === 0 ? idle.close : Effect.void)
      const leave = Effect.suspend(() => --calls === 0 ? idle.open : Effect.void)
      return Lifecycle.of({
        draining: () => draining,
        drain: Effect.sync(() => {
          draining = true
        }),
        closing: () => closing,
        close: Effect.sync(() => {
          closing = true
        }),
        track: (call) => Effect.acquireUseRelease(enter, () => call, () => leave),
        callsEnded: idle.await,
        ownReadiness: Effect.map(ownParts, readinessOf),
        readiness: Effect.zipWith(
          ownParts,
          others.ask({ _tag: "Readiness" }),
          (parts, answers) => readinessOf([...parts, ...answers.flatMap(processPart)]),
          { concurrent: true }
        )
      })
    })
  )
}
