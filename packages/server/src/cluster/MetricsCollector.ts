/**
 * The primary's side of the common `/metrics`: it asks every process for its numbers, and keeps what those that ended had
 * counted, so that no counter goes back.
 */
import { addCounts, countsOf, type MetricFamily, type MetricsSnapshot } from "@sluice/core/telemetry/MetricsSnapshot"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/** How long a process has to answer; it may be busy, and a scrape has a time limit of its own. */
export const answerTimeout = "1 second"

const ownFamily = (type: "counter" | "gauge", name: string, help: string, value: number): MetricFamily => ({
  name,
  help,
  type,
  aggregator: "sum",
  values: [{ labels: {}, value }]
})

export class MetricsCollector<Source> {
  readonly #tellToAnswer: (source: Source, id: number) => void
  /** Each with what it told last. */
  readonly #sources = new Map<Source, MetricsSnapshot>()
  readonly #waiting = new Map<number, Deferred.Deferred<boolean>>()
  #ended: MetricsSnapshot = []
  #restarts = 0
  #lastId = 0

  constructor(tellToAnswer: (source: Source, id: number) => void) {
    this.#tellToAnswer = tellToAnswer
  }

  started(source: Source): void {
    this.#sources.set(source, [])
  }

  /** Its counts stay, as it told them last. */
  ended(source: Source): void {
    this.#ended = addCounts(this.#ended, countsOf(this.#sources.get(source) ?? []))
    this.#sources.delete(source)
  }

  restarted(): void {
    this.#restarts++
  }

  answered(source: Source, id: number, snapshot: MetricsSnapshot): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined || !this.#sources.has(source)) return
    this.#sources.set(source, snapshot)
    Deferred.doneUnsafe(waiting, Effect.succeed(true))
  }

  /** Whether it answers in time. */
  #ask(source: Source): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      const id = ++this.#lastId
      const answer = Deferred.makeUnsafe<boolean>()
      this.#waiting.set(id, answer)
      this.#tellToAnswer(source, id)
      return Deferred.await(answer).pipe(
        Effect.timeoutOrElse({ duration: answerTimeout, orElse: () => Effect.succeed(false) }),
        Effect.ensuring(Effect.sync(() => this.#waiting.delete(id)))
      )
    })
  }

  #snapshots(answered: ReadonlySet<Source>): ReadonlyArray<MetricsSnapshot> {
    const sources = [...this.#sources]
    const reporting = sources.filter(([source]) => answered.has(source)).length
    return [
      [
        ownFamily("gauge", "sluice_processes_reporting", "Server processes whose present numbers are here.", reporting),
        ownFamily("counter", "sluice_process_restarts_total", "Server processes that were replaced.", this.#restarts)
      ],
      this.#ended,
      ...sources.map(([source, last]) => answered.has(source) ? last : countsOf(last))
    ]
  }

  /**
   * What every process has, and what those had that ended. Of one that does not answer in time, what it had counted when
   * it last did: Prometheus takes a counter that goes back for one that began anew, and counts it twice.
   */
  readonly collect: Effect.Effect<ReadonlyArray<MetricsSnapshot>> = Effect.suspend(() =>
    Effect.map(
      Effect.filter(this.#sources.keys(), (source) => this.#ask(source), { concurrency: "unbounded" }),
      (answered) => this.#snapshots(new Set(answered))
    )
  )
}
