/**
 * The rows that wait for an instance: three priorities, earliest due first in each. Plain synchronous code.
 */
import type { Priority } from "@sluice/domain/PredictRequest"
import { DueQueue } from "./DueQueue.ts"
import { type BatchLimits, leadingLevel, planBatch, type Plannable } from "./PlanBatch.ts"

const rank: Readonly<Record<Priority, number>> = { high: 0, normal: 1, low: 2 }

/** Above this many, rows are removed by one pass over the queue and not by a search for each. */
const fewRows = 8

const isOfOneOrder = (rows: ReadonlyArray<Plannable>): boolean => {
  for (let i = 1; i < rows.length; i++) {
    if (rows[i]!.priority !== rows[0]!.priority || !(rows[i]!.dueMs >= rows[i - 1]!.dueMs)) return false
  }
  return true
}

export class WaitingQueue<Row extends Plannable> {
  readonly #levels = [new DueQueue<Row>(), new DueQueue<Row>(), new DueQueue<Row>()]
  /** By level: batches in a row that others led while it waited. */
  readonly #passedBy = [0, 0, 0]

  get length(): number {
    const [high, normal, low] = this.#levels
    return high!.length + normal!.length + low!.length
  }

  /** The summed cost of all that waits. */
  get cost(): number {
    const [high, normal, low] = this.#levels
    return high!.cost + normal!.cost + low!.cost
  }

  /** The row that would lead the next batch if no level was passed by; undefined when nothing waits. */
  get first(): Row | undefined {
    return this.#levels.find((level) => level.length > 0)?.at(0)
  }

  add(row: Row): void {
    this.#levels[rank[row.priority]]!.add(row)
  }

  /** The rows of one request; cheaper than one by one where they are due between others. */
  addAll(rows: ReadonlyArray<Row>): void {
    if (rows.length > fewRows && isOfOneOrder(rows)) this.#levels[rank[rows[0]!.priority]]!.addAll(rows)
    else for (const row of rows) this.add(row)
  }

  /** The next batch, which waits no longer; empty only when nothing waits. */
  take(limits: BatchLimits, padding: Readonly<Record<string, number>>): Array<Row> {
    const levels = this.#levels
    const lead = leadingLevel(levels, this.#passedBy)
    if (lead === -1) return []
    const { places, rows } = planBatch(levels, lead, limits, padding)
    if (places === undefined) levels[lead]!.takeFirst(rows.length)
    else for (let level = 0; level < levels.length; level++) levels[level]!.takeAt(places[level]!)
    for (let level = 0; level < levels.length; level++) {
      this.#passedBy[level] = level !== lead && levels[level]!.length > 0 ? this.#passedBy[level]! + 1 : 0
    }
    return rows
  }

  /** Removes rows whose callers have left or whose time is over. Those that wait no longer are passed over. */
  remove(rows: ReadonlyArray<Row>): void {
    if (rows.length <= fewRows) {
      for (const row of rows) this.#levels[rank[row.priority]]!.remove(row)
    } else {
      const gone = new Set(rows)
      for (const level of this.#levels) level.removeAll(gone)
    }
  }

  /**
   * What would be computed before a row of that priority and due time that arrived now: rows, and their summed cost.
   * O(1) when it is due after everything of its priority.
   */
  ahead(priority: Priority, dueMs: number): { readonly rows: number; readonly cost: number } {
    const own = rank[priority]
    let { cost, rows } = this.#levels[own]!.dueBy(dueMs)
    for (let level = 0; level < own; level++) {
      rows += this.#levels[level]!.length
      cost += this.#levels[level]!.cost
    }
    return { rows, cost }
  }
}
