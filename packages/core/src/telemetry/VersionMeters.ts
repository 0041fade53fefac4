/**
 * The counters of one model version. They are plain numbers, read when a page is rendered: the metrics library's own
 * update costs 0.3 to 0.7 µs each, and a request makes ten of them.
 */
import { errorCatalogue } from "@sluice/domain/ErrorCatalogue"
import { InferenceError } from "@sluice/domain/Errors"
import { BATCH_SIZE_BUCKETS, Distribution, DURATION_BUCKETS } from "./Distribution.ts"

/** The stages of the pipeline that are timed. */
export const STAGES = ["cache", "encode", "queue", "compute", "decode"] as const
export type Stage = (typeof STAGES)[number]

export const CIRCUIT_STATES = ["closed", "half_open", "open"] as const
export type CircuitState = (typeof CIRCUIT_STATES)[number]

/** `expired`: the deadline passed while they waited; `abandoned`: the caller left. */
export const DROP_REASONS = ["expired", "abandoned"] as const
export type DropReason = (typeof DROP_REASONS)[number]

/** `queue_full`: there was no room; `too_late`: they would not have been computed in time. */
export const REFUSAL_REASONS = ["queue_full", "too_late"] as const
export type RefusalReason = (typeof REFUSAL_REASONS)[number]

/** What a version is in a rollout; a target is a `shadow` where it only computes copies. */
export type RolloutRole = "default" | "target" | "shadow"

export interface RoleCounts {
  requests: number
  errors: number
}

/** `stale`: from the cache, past its time; `fallback`: by another version or model; `default`: by the registry. */
export const DEGRADATION_KINDS = ["stale", "fallback", "default"] as const
export type DegradationKind = (typeof DEGRADATION_KINDS)[number]

/** Where a version's events are told. Every member is synchronous and cannot fail; durations are in seconds. */
export interface VersionMetrics {
  /** A request was answered; with an error of this catalogue code, if one is given. */
  readonly request: (seconds: number, errorCode?: string) => void
  readonly stage: (stage: Stage, seconds: number) => void
  /** A batch of this many items ran. */
  readonly batch: (items: number) => void
  /** An item waited this long for its batch. */
  readonly queueDelay: (seconds: number) => void
  /** So many items wait now. */
  readonly queueLength: (items: number) => void
  /** The caller left before the answer. */
  readonly abandoned: () => void
  /** So many items left the queue without being computed, and why. */
  readonly dropped: (items: number, reason: DropReason) => void
  /** So many items were refused on arrival, and why. */
  readonly refused: (items: number, reason: RefusalReason) => void
  /** An item is computed again because its instance ended. */
  readonly retried: () => void
  /** A batch was predicted to take so long, and took so long. Nothing was known where the prediction is 0. */
  readonly predicted: (seconds: number, measuredSeconds: number) => void
  readonly loaded: (isLoaded: boolean) => void
  /** Its batches run on the event loop, or do so no more. */
  readonly inline: (isInline: boolean) => void
  readonly cacheItems: (hits: number, misses: number) => void
  /** So many items were answered from the cache after their time, because the model could not answer. */
  readonly cacheStale: (items: number) => void
  readonly circuitTransition: (from: CircuitState, to: CircuitState) => void
  /** A request was answered otherwise than by this version, which was to answer it. */
  readonly degraded: (kind: DegradationKind) => void
  readonly workerRestarted: () => void
  /** A request that named no version was given this one. */
  readonly assigned: () => void
  /** A rollout counted a request that it computed in this role. */
  readonly rolloutRequest: (role: RolloutRole, failed: boolean) => void
  /** An item that it computed as a target was compared with the default's. */
  readonly compared: (agrees: boolean) => void
  /** A copy for comparison with it was not computed. */
  readonly copyDropped: () => void
}

const inferenceCodes = InferenceError.members.map((error) => errorCatalogue[error.fields._tag.schema.literal].code)

/** The edges that a circuit can take. */
const circuitEdges: ReadonlyArray<readonly [CircuitState, CircuitState]> = [
  ["closed", "open"],
  ["open", "half_open"],
  ["half_open", "open"],
  ["half_open", "closed"],
  // By word of another process, or of an operator.
  ["open", "closed"]
]

export class VersionMeters implements VersionMetrics {
  readonly model: string
  readonly version: string
  requests = 0
  abandonments = 0
  retries = 0
  predictedSeconds = 0
  measuredSeconds = 0
  /** Recent batches' |measured - predicted| / measured, 0 while nothing is known. */
  predictionError = 0
  waiting = 0
  isLoaded = false
  isInline = false
  cacheHits = 0
  cacheMisses = 0
  cacheStaleItems = 0
  workerRestarts = 0
  assignments = 0
  comparedItems = 0
  agreedItems = 0
  droppedCopies = 0
  circuit: CircuitState = "closed"
  /** Zero from the start, so that the first error is an increase that an alert can see. */
  readonly errors = new Map<string, number>(inferenceCodes.map((code) => [code, 0]))
  /** By `from>to`. */
  readonly circuitTransitions = new Map<string, number>(circuitEdges.map(([from, to]) => [`${from}>${to}`, 0]))
  readonly drops = new Map<string, number>(DROP_REASONS.map((reason) => [reason, 0]))
  readonly refusals = new Map<string, number>(REFUSAL_REASONS.map((reason) => [reason, 0]))
  /** Of the roles that it has had. */
  readonly rolloutRoles = new Map<RolloutRole, RoleCounts>()
  readonly degradations = new Map<string, number>(DEGRADATION_KINDS.map((kind) => [kind, 0]))
  readonly duration = new Distribution(DURATION_BUCKETS)
  readonly batchSize = new Distribution(BATCH_SIZE_BUCKETS)
  readonly delay = new Distribution(DURATION_BUCKETS)
  readonly stages: Readonly<Record<Stage, Distribution>> = {
    cache: new Distribution(DURATION_BUCKETS),
    encode: new Distribution(DURATION_BUCKETS),
    queue: new Distribution(DURATION_BUCKETS),
    compute: new Distribution(DURATION_BUCKETS),
    decode: new Distribution(DURATION_BUCKETS)
  }

  constructor(model: string, version: string) {
    this.model = model
    this.version = version
  }

  request(seconds: number, errorCode?: string): void {
    this.requests++
    this.duration.observe(seconds)
    if (errorCode !== undefined) this.errors.set(errorCode, (this.errors.get(errorCode) ?? 0) + 1)
  }

  stage(stage: Stage, seconds: number): void {
    this.stages[stage].observe(seconds)
  }

  batch(items: number): void {
    this.batchSize.observe(items)
  }

  queueDelay(seconds: number): void {
    this.delay.observe(seconds)
  }

  queueLength(items: number): void {
    this.waiting = items
  }

  abandoned(): void {
    this.abandonments++
  }

  dropped(items: number, reason: DropReason): void {
    if (items > 0) this.drops.set(reason, (this.drops.get(reason) ?? 0) + items)
  }

  refused(items: number, reason: RefusalReason): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + items)
  }

  retried(): void {
    this.retries++
  }

  predicted(seconds: number, measuredSeconds: number): void {
    if (seconds === 0 || measuredSeconds === 0) return
    this.predictedSeconds += seconds
    this.measuredSeconds += measuredSeconds
    const error = Math.abs(measuredSeconds - seconds) / measuredSeconds
    this.predictionError += (error - this.predictionError) / 32
  }

  loaded(isLoaded: boolean): void {
    this.isLoaded = isLoaded
  }

  inline(isInline: boolean): void {
    this.isInline = isInline
  }

  cacheItems(hits: number, misses: number): void {
    this.cacheHits += hits
    this.cacheMisses += misses
  }

  cacheStale(items: number): void {
    this.cacheStaleItems += items
  }

  circuitTransition(from: CircuitState, to: CircuitState): void {
    const edge = `${from}>${to}`
    this.circuit = to
    this.circuitTransitions.set(edge, (this.circuitTransitions.get(edge) ?? 0) + 1)
  }

  degraded(kind: DegradationKind): void {
    this.degradations.set(kind, (this.degradations.get(kind) ?? 0) + 1)
  }

  workerRestarted(): void {
    this.workerRestarts++
  }

  assigned(): void {
    this.assignments++
  }

  rolloutRequest(role: RolloutRole, failed: boolean): void {
    const counts = this.rolloutRoles.get(role) ?? { requests: 0, errors: 0 }
    this.rolloutRoles.set(role, counts)
    counts.requests++
    if (failed) counts.errors++
  }

  compared(agrees: boolean): void {
    this.comparedItems++
    if (agrees) this.agreedItems++
  }

  copyDropped(): void {
    this.droppedCopies++
  }
}
