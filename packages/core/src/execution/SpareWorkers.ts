/**
 * Worker threads started ahead of need, so that their imports run beside the server's own: at start that halves the wait.
 * Imports nothing but Node, because it comes before everything else.
 */
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Worker } from "node:worker_threads"

/** Where Node keeps compiled code when nobody says otherwise; a worker uses it for its first import if told by this name. */
export const compileCache = { NODE_COMPILE_CACHE: join(tmpdir(), "node-compile-cache") }

const startWorker = (): Worker =>
  new Worker(new URL("./WorkerMain.ts", import.meta.url), { env: { ...compileCache, ...process.env } })

export class SpareWorkers {
  readonly #workers = new Set<Worker>()

  constructor(count: number) {
    for (let i = 0; i < count; i++) {
      const worker = startWorker()
      this.#workers.add(worker)
      worker.once("exit", () => this.#workers.delete(worker))
    }
  }

  /** A spare if one is left, else a new one. The caller ends it. */
  take(): Worker {
    const [worker] = this.#workers
    if (worker === undefined) return startWorker()
    this.#workers.delete(worker)
    return worker
  }

  /** Ends those that nobody took. */
  async end(): Promise<void> {
    const workers = [...this.#workers]
    this.#workers.clear()
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}
