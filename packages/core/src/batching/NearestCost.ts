/**
 * The rows of a window, nearest to a cost first, one at a time: a binary heap, since a batch needs few of many.
 */

interface Costed {
  readonly cost: number
}

/** Places with their distance and cost. They are kept between uses, so that a batch allocates nothing here. */
export class NearestCost {
  readonly #places: Int32Array
  readonly #distances: Float64Array
  readonly #costs: Float64Array
  #length = 0

  constructor(capacity: number) {
    this.#places = new Int32Array(capacity)
    this.#distances = new Float64Array(capacity)
    this.#costs = new Float64Array(capacity)
  }

  /** Holds the places from `start` to before `end` that are no farther than that, and nothing else. */
  fill(level: { at(place: number): Costed }, start: number, end: number, cost: number, farthest: number): void {
    let length = 0
    for (let place = start; place < end; place++) {
      const own = level.at(place).cost
      const distance = Math.abs(own - cost)
      if (distance > farthest) continue
      this.#places[length] = place
      this.#costs[length] = own
      this.#distances[length++] = distance
    }
    this.#length = length
    for (let i = (length >> 1) - 1; i >= 0; i--) this.#sink(i)
  }

  /** The next place, or -1. Of two that are as far the cheaper, and of equals the first. */
  next(): number {
    if (this.#length === 0) return -1
    const place = this.#places[0]!
    this.#swap(0, --this.#length)
    this.#sink(0)
    return place
  }

  #sink(from: number): void {
    let at = from
    for (;;) {
      let first = 2 * at + 1
      if (first >= this.#length) return
      if (first + 1 < this.#length && this.#isBefore(first + 1, first)) first++
      if (!this.#isBefore(first, at)) return
      this.#swap(first, at)
      at = first
    }
  }

  #isBefore(a: number, b: number): boolean {
    const byDistance = this.#distances[a]! - this.#distances[b]!
    if (byDistance !== 0) return byDistance < 0
    const byCost = this.#costs[a]! - this.#costs[b]!
    return byCost !== 0 ? byCost < 0 : this.#places[a]! < this.#places[b]!
  }

  #swap(a: number, b: number): void {
    const place = this.#places[a]!
    const distance = this.#distances[a]!
    const cost = this.#costs[a]!
    this.#places[a] = this.#places[b]!
    this.#distances[a] = this.#distances[b]!
    this.#costs[a] = this.#costs[b]!
    this.#places[b] = place
    this.#distances[b] = distance
    this.#costs[b] = cost
  }
}
