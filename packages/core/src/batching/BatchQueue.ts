/**
 * The queue of one model version: admits rows or refuses them, forms a batch whenever an instance can take one, and
 * answers. Plain code without fibers, for tens of thousands of rows a second pass here; the decisions are elsewhere, pure.
 */
import { DeadlineExceeded, InstanceLost, Overloaded } from "@sluice/domain/Errors"
import type { Priority } from "@sluice/domain/PredictRequest"
import * as Result from "effect/Result"
import type { HostedModel, Instance } from "../execution/HostedModel.ts"
import { isTooLate, type Load, predictedFinishMs, predictedWaitMs, retryAfterMs } from "./Admission.ts"
import { BatchGrowth } from "./BatchGrowth.ts"
import type { RowOutcome } from "./BatchRun.ts"
import { BatchWindow } from "./BatchWindow.ts"
import { CostModel } from "./CostModel.ts"
import { Deadlines } from "./Deadlines.ts"
import { dueTime, dueTimes, paceMs } from "./DueTimes.ts"
import { Lateness } from "./Lateness.ts"
import { type PendingRequest, pendingRequest, type QueuedRow, queuedRows, type Settle } from "./PendingRequest.ts"
import type { BatchLimits } from "./PlanBatch.ts"
import type { QueueLimits, QueueOptions, QueueRuntime } from "./QueueOptions.ts"
import type { RowResult, Submission } from "./Submission.ts"
import { type BatchUnderWay, UnderWay } from "./UnderWay.ts"
import { WaitingQueue } from "./WaitingQueue.ts"

const nothing = (): void => undefined

/** Batches on the event loop are kept so short that it never stands still for long, in milliseconds. */
const inlineBatchMs = 2

/** How long a caller whose queue was closed is told to wait, in milliseconds. */
const reopenMs = 1000

export class BatchQueue {
  readonly #hosted: HostedModel
  readonly #options: QueueOptions
  readonly #runtime: QueueRuntime
  readonly #waiting = new WaitingQueue<QueuedRow>()
  readonly #underWay = new UnderWay()
  readonly #costs = new CostModel()
  readonly #growth: BatchGrowth | undefined
  readonly #deadlines: Deadlines<PendingRequest>
  readonly #window: BatchWindow
  /** Rows of a lower priority are passed by those who come later, which is no reason to refuse others. */
  readonly #lateness: Readonly<Record<Priority, Lateness>> = {
    high: new Lateness(),
    normal: new Lateness(),
    low: new Lateness()
  }
  readonly #lost: RowResult
  readonly #limits: BatchLimits & { maxBatchSize: number; maxBatchCost: number; latencyTargetMs: number }
  /** What of `queueCapacity` is taken. */
  #occupied = 0
  /** Requests with more rows than a batch that wait now. */
  #large = 0
  /** The turn of the event loop ends before the next batch begins. */
  #turnEnds = false
  #closed = false

  constructor(hosted: HostedModel, options: QueueOptions, runtime: QueueRuntime) {
    const { fixedBatchSize, maxBatchCost, maxBatchSize, maxPaddedWaste, latencyTargetMs, model, version } = options
    this.#hosted = hosted
    this.#options = options
    this.#runtime = runtime
    this.#growth = fixedBatchSize ? undefined : new BatchGrowth(maxBatchSize)
    this.#costs.seed(hosted.seeds ?? [])
    this.#limits = {
      maxBatchSize,
      maxBatchCost,
      maxPaddedWaste,
      latencyTargetMs,
      predictMs: (cost) => this.#costs.predict(cost)
    }
    this.#lost = Result.fail(new InstanceLost({ model, version, retryAfterMs: reopenMs }))
    this.#window = new BatchWindow({ ...options, ...runtime, onClose: () => this.#dispatch() })
    this.#deadlines = new Deadlines<PendingRequest>({ ...runtime, expire: (request) => this.#expire(request) })
    hosted.onChange(() => this.#dispatch())
  }

  /**
   * Admits the rows or refuses them at once. `settle` is called once, never before this has returned, with a result for
   * each row in its place, or when the deadline has passed; not after the caller left, which the function returned tells.
   */
  submit(submission: Submission, settle: Settle): Result.Result<() => void, Overloaded> {
    const { rows } = submission
    const arrivedMs = this.#runtime.now()
    const request = pendingRequest(submission, arrivedMs, this.#lost, settle)
    if (this.#closed || rows.length === 0) {
      queueMicrotask(() => this.#settle(request, Result.succeed(request.results)))
      return Result.succeed(() => this.#leave(request))
    }
    const refused = this.#refusal(request)
    if (refused !== undefined) return Result.fail(refused)
    this.#enqueue(request)
    this.#deadlines.add(request)
    this.#dispatch(arrivedMs)
    return Result.succeed(() => this.#leave(request))
  }

  /** Answers everybody who has no answer: with what there is, and for the rest that the instance is gone. */
  close(): void {
    this.#closed = true
    this.#window.close()
    for (const request of this.#deadlines.clear()) {
      this.#drop(request)
      this.#settle(request, Result.succeed(request.results))
    }
  }

  /** Whether a row that comes now would be computed at once. */
  get hasRoom(): boolean {
    return this.#waiting.length === 0 && this.#hosted.instances().some((instance) => this.#underWay.isIdle(instance))
  }

  /** How long a row that comes now would wait for its batch to begin, in milliseconds. */
  predictedWaitMs(): number {
    const ahead = { rows: this.#waiting.length, cost: this.#waiting.cost }
    return predictedWaitMs(this.#load(ahead, this.#runtime.now()))
  }

  #refusal(request: PendingRequest): Overloaded | undefined {
    const { arrivedMs, deadlineMs, submission: { priority, rows } } = request
    const { maxBatchSize, metrics, model, queueCapacity, version } = this.#options
    const full = this.#occupied > 0 && this.#occupied + Math.min(rows.length, maxBatchSize) > queueCapacity
    const dueMs = dueTime(arrivedMs, deadlineMs, this.#runMs(rows))
    const load = this.#load(this.#waiting.ahead(priority, dueMs), arrivedMs)
    let cost = 0
    for (const row of rows) cost += row.cost
    request.predictedMs = predictedFinishMs(load, rows.length, cost)
    const lateness = this.#lateness[priority].factor(arrivedMs)
    if (!full && !isTooLate(load, rows.length, cost, deadlineMs - arrivedMs, lateness)) return undefined
    metrics.refused(rows.length, full ? "queue_full" : "too_late")
    const all = this.#load({ rows: this.#waiting.length, cost: this.#waiting.cost }, arrivedMs)
    return new Overloaded({ model, version, retryAfterMs: retryAfterMs(all, this.#runtime.random()) })
  }

  #load(ahead: { readonly rows: number; readonly cost: number }, nowMs: number): Load {
    return {
      rowsAhead: ahead.rows,
      costAhead: ahead.cost,
      underWayMs: this.#underWay.restMs(nowMs),
      instances: this.#instances(),
      batchItems: this.#batchSize,
      model: this.#costs
    }
  }

  #enqueue(request: PendingRequest): void {
    const { arrivedMs, deadlineMs, submission: { rows } } = request
    const runMs = this.#runMs(rows)
    const due = rows.length === 1 ? [dueTime(arrivedMs, deadlineMs, runMs)] : dueTimes({
      deadlineMs,
      arrivedMs,
      runMs,
      costs: rows.map((row) => row.cost),
      msPerCost: this.#paceMs(),
      sharers: this.#large + 1
    })
    this.#add(queuedRows(request, due))
  }

  /** What the first row takes alone, in milliseconds. */
  #runMs(rows: Submission["rows"]): number {
    return this.#costs.predict(rows[0]?.cost ?? 0)
  }

  /** How many share the work. */
  #instances(): number {
    let count = 0
    for (const { solo } of this.#hosted.instances()) if (solo !== true) count++
    return count
  }

  /** How many items a batch may have now. */
  get #batchSize(): number {
    return this.#growth?.limit ?? this.#options.maxBatchSize
  }

  /** What a unit of cost takes in a full batch of what waits now. */
  #paceMs(): number {
    const { cost, length } = this.#waiting
    const batchCost = length === 0 ? this.#batchSize : this.#batchSize * cost / length
    return paceMs(this.#limits.predictMs, batchCost, this.#instances())
  }

  #add(rows: ReadonlyArray<QueuedRow>): void {
    for (const row of rows) {
      const { request } = row
      request.rows.push(row)
      if (request.waiting === 0 && isLarge(request, this.#options)) this.#large++
      if (++request.waiting <= this.#options.maxBatchSize) this.#occupied++
    }
    this.#waiting.addAll(rows)
    this.#options.metrics.queueLength(this.#waiting.length)
  }

  #waitsNoLonger(row: QueuedRow): void {
    const { request } = row
    row.waits = false
    if (--request.waiting < this.#options.maxBatchSize) this.#occupied--
    if (request.waiting === 0 && isLarge(request, this.#options)) this.#large--
  }

  /** Gives batches to instances for as long as rows wait and an instance can take one. */
  #dispatch(nowMs = this.#runtime.now()): void {
    while (this.#waiting.length > 0) {
      this.#dropHopeless(nowMs)
      const instance = this.#underWay.choose(this.#hosted.instances(), nowMs, this.#waiting.length)
      if (instance === undefined || (instance.inline && this.#turnEnds) || this.#collects(nowMs)) return
      this.#limits.maxBatchSize = this.#batchSize
      this.#limits.maxBatchCost = Math.min(this.#options.maxBatchCost, this.#growth?.costLimit ?? Infinity)
      this.#limits.latencyTargetMs = instance.inline
        ? Math.min(inlineBatchMs, this.#options.latencyTargetMs)
        : this.#options.latencyTargetMs
      const batch = this.#waiting.take(this.#limits, this.#options.padding)
      for (const row of batch) this.#waitsNoLonger(row)
      this.#options.metrics.queueLength(this.#waiting.length)
      if (batch.every((row) => row.request.submission.span === undefined)) this.#start(instance, batch, nowMs, nothing)
      else {
        const spans = batch.map((row) => row.request.submission.span)
        this.#runtime.traced(spans, batch.length, (end) => this.#start(instance, batch, nowMs, end))
      }
    }
  }

  /** While others wait, no instance computes what its caller would get too late; those due first are at the front. */
  #dropHopeless(nowMs: number): void {
    while (this.#waiting.length > 1) {
      const { cost, request } = this.#waiting.first!
      if (nowMs + this.#costs.predict(cost) <= request.deadlineMs) return
      this.#deadlines.remove(request)
      this.#expire(request)
    }
  }

  /** On the event loop, those who are answered now can be in the next batch with their next request: half as many runs. */
  #dispatchNextTurn(): void {
    this.#turnEnds = true
    setImmediate(() => {
      this.#turnEnds = false
      this.#dispatch()
    })
  }

  /** Whether the window is still open: then it dispatches when it closes. */
  #collects(nowMs: number): boolean {
    if (this.#options.windowMs === 0 || this.#waiting.length >= this.#batchSize) return false
    const { dueMs, request: { arrivedMs } } = this.#waiting.first!
    return this.#window.isOpen({ arrivedMs, dueMs, batchMs: this.#costs.predict(this.#waiting.cost) }, nowMs)
  }

  #start(instance: Instance, batch: ReadonlyArray<QueuedRow>, startedMs: number, end: () => void): void {
    const { metrics } = this.#options
    let longest = 0
    let sum = 0
    for (const { cost } of batch) {
      if (cost > longest) longest = cost
      sum += cost
    }
    const cost = longest * batch.length
    const underWay: BatchUnderWay = { startedMs, predictedMs: this.#costs.predict(cost) }
    this.#underWay.add(instance, underWay)
    metrics.batch(batch.length)
    this.#runtime.run(instance, batch.map((row) => row.inputs), (outcomes, computeMs) => {
      const nowMs = this.#runtime.now()
      this.#underWay.remove(instance, underWay, nowMs)
      metrics.stage("compute", (nowMs - underWay.startedMs) / 1000)
      // What every core does for one row says nothing about the other instances.
      if (computeMs !== undefined && instance.solo !== true) {
        metrics.predicted(underWay.predictedMs / 1000, computeMs / 1000)
        this.#costs.observe(cost, computeMs)
        this.#growth?.observe(batch.length, sum, computeMs)
      }
      this.#retryLost(batch, outcomes)
      // The next batch first: the instance computes it while answers are written.
      if (instance.inline) this.#dispatchNextTurn()
      else this.#dispatch(nowMs)
      this.#answer(batch, outcomes, underWay.startedMs)
      end()
    })
  }

  /** A row whose instance ended is computed once more, alone, so that a row that ends instances takes no other along. */
  #retryLost(batch: ReadonlyArray<QueuedRow>, outcomes: ReadonlyArray<RowOutcome>): void {
    batch.forEach((row, i) => {
      if (isLost(outcomes[i]!) && !row.lostBefore && !row.request.settled && !this.#closed) {
        this.#options.metrics.retried()
        this.#add([{ ...row, consistent: true, lostBefore: true, waits: true }])
      }
    })
  }

  #answer(batch: ReadonlyArray<QueuedRow>, outcomes: ReadonlyArray<RowOutcome>, startedMs: number): void {
    for (let i = 0; i < batch.length; i++) {
      const { cost, index, lostBefore, request } = batch[i]!
      const outcome = outcomes[i]!
      const queueMs = startedMs - request.arrivedMs
      this.#options.metrics.queueDelay(queueMs / 1000)
      if (request.settled || (isLost(outcome) && !lostBefore && !this.#closed)) continue
      request.results[index] = Result.isFailure(outcome)
        ? Result.fail(outcome.failure)
        : Result.succeed({ outputs: outcome.success.outputs, computeMs: outcome.success.computeMs, cost, queueMs })
      if (--request.open > 0) continue
      this.#noteFinish(request)
      this.#settle(request, Result.succeed(request.results))
    }
  }

  #noteFinish({ arrivedMs, predictedMs, submission: { priority } }: PendingRequest): void {
    const nowMs = this.#runtime.now()
    this.#lateness[priority].observe(predictedMs, nowMs - arrivedMs, nowMs)
  }

  #settle(request: PendingRequest, outcome: Parameters<Settle>[0]): void {
    if (request.settled) return
    request.settled = true
    this.#deadlines.remove(request)
    request.settle(outcome)
  }

  #expire(request: PendingRequest): void {
    const { submission: { timeoutMs }, waiting } = request
    this.#noteFinish(request)
    this.#options.metrics.dropped(waiting, "expired")
    this.#drop(request)
    this.#settle(request, Result.fail(new DeadlineExceeded({ timeoutMs })))
  }

  #leave(request: PendingRequest): void {
    if (request.settled) return
    request.settled = true
    this.#deadlines.remove(request)
    this.#options.metrics.dropped(request.waiting, "abandoned")
    this.#drop(request)
  }

  /** Its rows that wait are never computed. */
  #drop(request: PendingRequest): void {
    if (request.waiting === 0) return
    const rows = request.rows.filter((row) => row.waits)
    this.#waiting.remove(rows)
    for (const row of rows) this.#waitsNoLonger(row)
    this.#options.metrics.queueLength(this.#waiting.length)
  }
}

/** A request of more rows than a batch shares the queue with others; a smaller one is simply next. */
const isLarge = ({ submission }: PendingRequest, { maxBatchSize }: QueueLimits): boolean =>
  submission.rows.length > maxBatchSize

const isLost = (outcome: RowOutcome): boolean => Result.isFailure(outcome) && outcome.failure._tag === "InstanceLost"
