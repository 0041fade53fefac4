/**
 * Where instances find a worker: one of their own, or one that versions of the same plugin share.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as ModelWorker from "./ModelWorker.ts"
import { processLink } from "./ProcessLink.ts"
import { SpareWorkers } from "./SpareWorkers.ts"
import { threadLink } from "./ThreadLink.ts"
import type { Isolation } from "./ThreadPlan.ts"

export class WorkerPool extends Context.Service<WorkerPool, {
  /** A worker that ends with the scope. */
  readonly dedicated: (isolation: Isolation) => Effect.Effect<ModelWorker.ModelWorker, never, Scope.Scope>
  /** The living thread of that name, started when there is none; it ends with the pool. */
  readonly shared: (name: string) => Effect.Effect<ModelWorker.ModelWorker>
}>()("sluice/core/WorkerPool") {
  /** Takes its first threads from the spares. */
  static readonly layer = (spares: SpareWorkers = new SpareWorkers(0)) =>
    Layer.effect(
      WorkerPool,
      Effect.gen(function*() {
        const start = { thread: threadLink(() => spares.take()), process: processLink() }
        const scope = yield* Effect.scope
        const starting = yield* Semaphore.make(1)
        const workers = new Map<string, ModelWorker.ModelWorker>()
        const shared = Effect.fnUntraced(function*(name: string) {
          const current = workers.get(name)
          if (current?.alive() === true) return current
          const worker = yield* Scope.provide(ModelWorker.make(start.thread), scope)
          workers.set(name, worker)
          return worker
        })
        return WorkerPool.of({
          dedicated: (isolation) => ModelWorker.make(start[isolation]),
          shared: (name) => Semaphore.withPermit(starting, shared(name))
        })
      })
    )
}
