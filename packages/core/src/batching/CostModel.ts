/**
 * How long a batch takes: milliseconds ≈ fixed + perCost · padded cost, learnt from what batches took.
 *
 * A Kalman filter of the two coefficients that lets them walk (Ljung, System Identification, 2nd ed., ch. 11: recursive
 * least squares whose forgetting is a random walk, so that what is not excited is not forgotten), with residuals clipped
 * (Masreliez and Martin 1977; Huber 1964; Hampel 1974). Noise and walk are shares of the prediction, since durations span four orders.
 */

/** How many standard deviations a residual may count for. */
const clipAt = 3

/** So many times that limit, and it counts for nothing (Hampel's redescending influence). */
const rejectAt = 3

/** So many clipped residuals in a row on one side are a machine that has changed, and not outliers. */
const changeAfter = 4

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

  /** From warm-up; the order does not matter. */
  seed(samples: ReadonlyArray<{ readonly cost: number; readonly ms: number }>): void {
    // Twice, since the first of them may be an outlier that the others have to mend.
    for (let round = 0; round < 2; round++) {
      for (const { cost, ms } of samples.toSorted((a, b) => a.cost - b.cost)) this.observe(cost, ms)
    }
  }

  /** A batch took this long. Ignores what cannot be: a cost that is not above 0, or a duration below it. */
  observe(paddedCost: number, ms: number): void {
    if (!(paddedCost > 0 && paddedCost < Infinity && ms >= 0 && ms < Infinity)) return
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
    this.#watch(Math.abs(residual) > limit ? Math.sign(residual) : 0)
  }

  /** One point: all of it is slope, and how much of it is fixed is open. */
  #start(cost: number, ms: number): void {
    this.#known = true
    this.#slope = ms / cost
    this.#leastCost = cost
    this.#openSpeed()
    this.#openShape(cost, ms)
  }

  #walk(cost: number): void {
    this.#addSpeed(speedWalk)
    this.#leastCost = Math.min(this.#leastCost, cost)
    const least = Math.max(this.predict(this.#leastCost), leastMs)
    if (this.#varFixed < least ** 2) this.#openShape(cost, shapeWalk * least)
  }

  /** The whole machine may be another: both coefficients in proportion. */
  #openSpeed(): void {
    this.#addSpeed(1)
  }

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

  #watch(side: number): void {
    this.#clipped = side === 0 || side * this.#clipped < 0 ? side : this.#clipped + side
    if (Math.abs(this.#clipped) < changeAfter) return
    this.#clipped = 0
    this.#openSpeed()
  }
}
