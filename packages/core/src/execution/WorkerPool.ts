/**
 * Where instances find a worker: one of their own, or one that versions of the same plugin share.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { SpareWorkers } from "./SpareWorkers.ts"
import * as WorkerThread from "./WorkerThread.ts"

export class WorkerPool extends Context.Service<WorkerPool, {
  /** A worker that ends with the scope. */
  readonly dedicated: Effect.Effect<WorkerThread.WorkerThread, never, Scope.Scope>
  /** The living worker of that name, started when there is none; it ends with the pool. */
  readonly shared: (name: string) => Effect.Effect<WorkerThread.WorkerThread>
}>()("sluice/core/WorkerPool") {
  /** Takes its first workers from the spares. */
  static readonly layer = (spares: SpareWorkers = new SpareWorkers(0)) =>
    Layer.effect(
      WorkerPool,
      Effect.gen(function*() {
        const start = WorkerThread.make(() => spares.take())
        const scope = yield* Effect.scope
        const starting = yield* Semaphore.make(1)
        const workers = new Map<string, WorkerThread.WorkerThread>()
        const shared = Effect.fnUntraced(function*(name: string) {
          const current = workers.get(name)
          if (current?.alive() === true) return current
          const worker = yield* Scope.provide(start, scope)
          workers.set(name, worker)
          return worker
        })
        return WorkerPool.of({
          dedicated: start,
          shared: (name) => Semaphore.withPermit(starting, shared(name))
        })
      })
    )
}
