/**
 * How long a batch takes: milliseconds ≈ fixed + perCost · padded cost, learnt from what batches took.
 *
 * A Kalman filter of the two coefficients that lets them walk (Ljung, System Identification, 2nd ed., ch. 11: recursive
 * least squares whose forgetting is a random walk, so that what is not excited is not forgotten), with residuals clipped
 * (Masreliez and Martin 1977; Huber 1964; Hampel 1974). Noise and walk are shares of the prediction, since durations span four orders.
 */
import { type DurationSample, leastAbsoluteLine } from "./LeastAbsoluteLine.ts"

/** How many standard deviations a residual may count for. */
const clipAt = 3

/** So many times that limit, and it counts for nothing (Hampel's redescending influence). */
const rejectAt = 3

/** So many clipped residuals in a row on one side are a machine that has changed, and not outliers. */
const changeAfter = 4

/** How unsure the speed is then, a share of it. */
const openAfterChange = 0.2

/** How far the whole machine's speed walks in a batch, and the fixed cost against the slope: shares of a prediction. */
const speedWalk = 0.02
const shapeWalk = 0.01

/** Bounds of the estimated noise, a share of the prediction. */
const leastNoise = 0.02
const mostNoise = 0.5

/** How fast the noise is learnt. */
const noiseGain = 0.05

/** Durations below the clock's resolution. */
const leastMs = 1e-3

/** As many samples of a warm-up are looked at. */
const mostSamples = 64

const isMeasured = (cost: number, ms: number): boolean => cost >= 1e-6 && cost <= 1e12 && ms >= 0 && ms <= 1e9

export class CostModel {
  #fixed = 0
  #slope = 0
  /** Their covariance. */
  #varFixed = 0
  #covariance = 0
  #varSlope = 0
  #noise = 0.2
  #known = false
  /** The lowest cost seen: where the fixed part counts most. */
  #leastCost = Infinity
  /** Clipped residuals in a row; negative when the batches were faster. */
  #clipped = 0
  /** The least of their ratios to what was predicted. */
  #change = 1

  get known(): boolean {
    return this.#known
  }

  /** Milliseconds of a batch that do not depend on its cost; 0 where only one cost was ever seen. */
  get fixedMs(): number {
    return this.#fixed
  }

  /** Milliseconds for a unit of padded cost. */
  get perCostMs(): number {
    return this.#slope
  }

  /** Milliseconds; 0 before anything is known. */
  predict(paddedCost: number): number {
    return this.#fixed + this.#slope * Math.max(0, paddedCost)
  }

  /** From warm-up: few batches, of which some may be outliers. Forgets what was known before. */
  seed(samples: ReadonlyArray<DurationSample>): void {
    const measured = samples.filter(({ cost, ms }) => isMeasured(cost, ms)).slice(0, mostSamples)
      .map(({ cost, ms }) => ({ cost, ms: Math.max(ms, leastMs) }))
    if (measured.length === 0) return
    const { fixedMs, perCostMs } = leastAbsoluteLine(measured)
    const costs = measured.map(({ cost }) => cost)
    const least = Math.min(...costs)
    this.#start(least, fixedMs + perCostMs * least)
    if (least === Math.max(...costs)) return
    this.#fixed = fixedMs
    this.#slope = perCostMs
    this.#varFixed = this.#covariance = this.#varSlope = 0
    this.#addSpeed(openAfterChange)
    this.#openShape(least, openAfterChange * this.predict(least))
  }

  /** A batch took this long. Ignores what cannot be: costs outside of 1e-6..1e12, and durations outside of 0..1e9. */
  observe(paddedCost: number, ms: number): void {
    if (!isMeasured(paddedCost, ms)) return
    const measured = Math.max(ms, leastMs)
    if (!this.#known) {
      this.#start(paddedCost, measured)
      return
    }
    const predicted = Math.max(this.predict(paddedCost), leastMs)
    this.#walk(paddedCost)

    // How the prediction at this cost varies with each coefficient, and in all.
    const withFixed = this.#varFixed + this.#covariance * paddedCost
    const withSlope = this.#covariance + this.#varSlope * paddedCost
    const variance = Math.max(0, withFixed + withSlope * paddedCost) + (this.#noise * predicted) ** 2
    const limit = clipAt * Math.sqrt(variance)
    const residual = measured - predicted
    this.#learnNoise(Math.abs(residual) / predicted)
    if (Math.abs(residual) <= rejectAt * limit) {
      const counted = Math.min(limit, Math.max(-limit, residual))
      const gainFixed = withFixed / variance
      const gainSlope = withSlope / variance
      this.#varFixed = Math.max(0, this.#varFixed - gainFixed * withFixed)
      this.#covariance -= gainFixed * withSlope
      this.#varSlope = Math.max(0, this.#varSlope - gainSlope * withSlope)
      this.#move(this.#fixed + gainFixed * counted, this.#slope + gainSlope * counted)
      // Something always remains that can grow again.
      if (this.predict(paddedCost) < leastMs) this.#slope = leastMs / paddedCost
    }
    this.#watch(Math.abs(residual) > limit ? Math.sign(residual) : 0, measured / predicted)
  }

  /** One point: all of it is slope, and how much of it is fixed is open. */
  #start(cost: number, ms: number): void {
    this.#known = true
    this.#fixed =
      this.#varFixed =
      this.#covariance =
      this.#varSlope =
        0
    this.#slope = ms / cost
    this.#leastCost = cost
    this.#addSpeed(1)
    this.#openShape(cost, ms)
  }

  #walk(cost: number): void {
    this.#addSpeed(speedWalk)
    this.#leastCost = Math.min(this.#leastCost, cost)
    const least = Math.max(this.predict(this.#leastCost), leastMs)
    if (this.#varFixed < least ** 2) this.#openShape(cost, shapeWalk * least)
  }

  /** The whole machine may be that much slower or faster: both coefficients in proportion. */
  #addSpeed(share: number): void {
    this.#varFixed += (share * this.#fixed) ** 2
    this.#covariance += share * share * this.#fixed * this.#slope
    this.#varSlope += (share * this.#slope) ** 2
  }

  /** That many milliseconds may belong to the other coefficient; the prediction at this cost stays. */
  #openShape(cost: number, ms: number): void {
    this.#varFixed += ms ** 2
    this.#covariance -= ms ** 2 / cost
    this.#varSlope += (ms / cost) ** 2
  }

  /** Neither coefficient goes below 0: what one may not take is taken by the other, as far as they go together. */
  #move(fixed: number, slope: number): void {
    const alongSlope = this.#varFixed > 0 ? Math.min(0, fixed) * this.#covariance / this.#varFixed : 0
    const alongFixed = this.#varSlope > 0 ? Math.min(0, slope) * this.#covariance / this.#varSlope : 0
    this.#fixed = Math.max(0, fixed - alongFixed)
    this.#slope = Math.max(0, slope - alongSlope)
  }

  #learnNoise(share: number): void {
    // The mean absolute deviation of a normal variable is 0.8 of its standard deviation.
    const deviation = Math.min(share, clipAt * this.#noise) / 0.8
    this.#noise = Math.min(mostNoise, Math.max(leastNoise, this.#noise + noiseGain * (deviation - this.#noise)))
  }

  /** A machine that has changed is as much slower or faster as the least of the batches that show it. */
  #watch(side: number, ratio: number): void {
    if (side === 0 || side * this.#clipped <= 0) {
      this.#clipped = side
      this.#change = ratio
      return
    }
    this.#clipped += side
    this.#change = side > 0 ? Math.min(this.#change, ratio) : Math.max(this.#change, ratio)
    if (Math.abs(this.#clipped) < changeAfter) return
    this.#fixed *= this.#change
    this.#slope *= this.#change
    this.#varFixed *= this.#change ** 2
    this.#covariance *= this.#change ** 2
    this.#varSlope *= this.#change ** 2
    this.#addSpeed(openAfterChange)
    this.#clipped = 0
  }
}
