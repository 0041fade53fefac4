/**
 * Counts what a process sees of one step of a rollout. Plain code: every request of the model passes `record`.
 */
import type { InferenceError } from "@sluice/domain/Errors"
import type { Item } from "@sluice/domain/Item"
import type { Disagreement } from "@sluice/domain/RolloutStatus"
import { answerText, inputText } from "./DisagreementText.ts"
import { LatencyHistogram } from "./LatencyHistogram.ts"
import { type ComparedOutput, compareOutputs } from "./OutputComparison.ts"
import { maxExamples, type RolloutCounts, type SideCounts } from "./RolloutCounts.ts"

/** What both versions made of one item. `input` is kept with an example only where the registry says so. */
export interface OutputPair {
  readonly default: ComparedOutput
  readonly target: ComparedOutput
  readonly input: Item | undefined
}

/**
 * Whether a failure says something of the version. What the caller did wrong does not, and nor does a full queue, an open
 * circuit or a version that is not loaded: those requests are not recorded at all.
 */
export const isVersionError = (error: InferenceError): boolean => {
  switch (error._tag) {
    case "ModelFailed":
    case "InstanceLost":
    case "DeadlineExceeded":
    case "InternalError":
      return true
    case "ModelNotFound":
    case "VersionNotFound":
    case "VersionRetired":
    case "MalformedRequest":
    case "InvalidInput":
    case "ModelNotReady":
    case "Overloaded":
    case "CircuitOpen":
    case "ServerDraining":
      return false
  }
}

class Side {
  requests = 0
  errors = 0
  readonly latency = new LatencyHistogram()

  counts(): SideCounts {
    return { requests: this.requests, errors: this.errors, latency: this.latency.counts() }
  }
}

export class RolloutMonitor {
  readonly #keepInputs: boolean
  readonly #default = new Side()
  readonly #target = new Side()
  #items = 0
  #agreed = 0
  #maxAbs: number | null = null
  #cosineSum = 0
  #cosines = 0
  #dropped = 0
  /** The oldest first. */
  readonly #examples: Array<Disagreement> = []

  constructor(options: { readonly keepInputs: boolean }) {
    this.#keepInputs = options.keepInputs
  }

  /** A request that the version answered, or failed by its own fault (`isVersionError`). Milliseconds. */
  record(side: "default" | "target", latencyMs: number, failed: boolean): void {
    const counted = side === "default" ? this.#default : this.#target
    counted.requests++
    if (failed) counted.errors++
    counted.latency.record(latencyMs)
  }

  /** Takes an item that both versions computed, and says whether they agree. */
  compare(pair: OutputPair): boolean {
    const { agrees, cosine, maxAbs } = compareOutputs(pair.default, pair.target)
    this.#items++
    if (agrees) this.#agreed++
    else this.#keep(pair, maxAbs)
    if (maxAbs !== null && (this.#maxAbs === null || maxAbs > this.#maxAbs)) this.#maxAbs = maxAbs
    if (cosine !== null) {
      this.#cosineSum += cosine
      this.#cosines++
    }
    return agrees
  }

  /** An item that was to be compared, and was not for want of room. */
  drop(): void {
    this.#dropped++
  }

  counts(): RolloutCounts {
    return {
      default: this.#default.counts(),
      target: this.#target.counts(),
      comparison: {
        items: this.#items,
        agreed: this.#agreed,
        maxAbs: this.#maxAbs,
        cosineSum: this.#cosineSum,
        cosines: this.#cosines,
        dropped: this.#dropped,
        examples: this.#examples.toReversed()
      }
    }
  }

  #keep(pair: OutputPair, maxAbs: number | null): void {
    this.#examples.push({
      ...(this.#keepInputs && pair.input !== undefined ? { input: inputText(pair.input) } : {}),
      default: answerText(pair.default),
      target: answerText(pair.target),
      max_abs_distance: maxAbs
    })
    if (this.#examples.length > maxExamples) this.#examples.shift()
  }
}
