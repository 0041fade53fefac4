/**
 * The rows of one priority, earliest due first, and among equals as they arrived.
 *
 * An array with free slots on both ends. Rows come nearly in order and leave mostly from the front, so both cost O(1);
 * a row in between moves those on its shorter side.
 */

interface Due {
  readonly dueMs: number
  readonly cost: number
}

/** From this many free slots in front on, the rows move down, once they are fewer than the slots. */
const slackSlots = 64

/** An empty queue gives back an array longer than this. */
const keptSlots = 4096

export class DueQueue<Row extends Due> {
  #rows: Array<Row | undefined> = []
  #head = 0
  #tail = 0
  #cost = 0

  get length(): number {
    return this.#tail - this.#head
  }

  /** The summed cost of its rows. */
  get cost(): number {
    return this.#cost
  }

  /** The row at a place below `length`. */
  at(place: number): Row {
    return this.#rows[this.#head + place]!
  }

  add(row: Row): void {
    const at = this.#firstDueAfter(row.dueMs)
    const head = this.#head
    const tail = this.#tail
    const rows = this.#rows
    this.#cost += row.cost
    if (at === tail) {
      rows[this.#tail++] = row
    } else if (head > 0 && at - head < tail - at) {
      for (let i = head; i < at; i++) rows[i - 1] = rows[i]
      this.#head--
      rows[at - 1] = row
    } else {
      for (let i = tail; i > at; i--) rows[i] = rows[i - 1]
      this.#tail++
      rows[at] = row
    }
  }

  /** Adds rows that are in order of due time themselves: one merge from the end, however many they are. */
  addAll(added: ReadonlyArray<Row>): void {
    const head = this.#head
    const rows = this.#rows
    while (rows.length < this.#tail + added.length) rows.push(undefined)
    let to = this.#tail + added.length
    let from = this.#tail
    for (let next = added.length - 1; next >= 0; next--) {
      const row = added[next]!
      while (from > head && rows[from - 1]!.dueMs > row.dueMs) rows[--to] = rows[--from]
      rows[--to] = row
      this.#cost += row.cost
    }
    this.#tail += added.length
  }

  /** Removes the first `count` rows. */
  takeFirst(count: number): void {
    for (let taken = 0; taken < count; taken++) this.#clear(this.#head++)
    this.#settle()
  }

  /** Removes the rows at these places, which ascend: those before the last of them move up. */
  takeAt(places: ReadonlyArray<number>): void {
    let next = places.length - 1
    if (next < 0) return
    const last = this.#head + places[next]!
    let to = last
    for (let from = last; from >= this.#head; from--) {
      if (next >= 0 && from === this.#head + places[next]!) {
        this.#clear(from)
        next--
      } else this.#rows[to--] = this.#rows[from]
    }
    const head = to + 1
    for (let i = this.#head; i < head; i++) this.#rows[i] = undefined
    this.#head = head
    this.#settle()
  }

  /** Removes a row if it is here. */
  remove(row: Row): void {
    const rows = this.#rows
    const head = this.#head
    const tail = this.#tail
    let at = this.#firstDueAt(row.dueMs)
    while (at < tail && rows[at] !== row) {
      if (rows[at]!.dueMs !== row.dueMs) return
      at++
    }
    if (at === tail) return
    this.#cost -= row.cost
    if (at - head < tail - at) {
      for (let i = at; i > head; i--) rows[i] = rows[i - 1]
      rows[this.#head++] = undefined
    } else {
      for (let i = at + 1; i < tail; i++) rows[i - 1] = rows[i]
      rows[--this.#tail] = undefined
    }
    this.#settle()
  }

  /** Removes those of a set that are here, in one pass. */
  removeAll(gone: ReadonlySet<Row>): void {
    let to = this.#head
    for (let from = this.#head; from < this.#tail; from++) {
      const row = this.#rows[from]!
      if (gone.has(row)) this.#cost -= row.cost
      else this.#rows[to++] = row
    }
    this.#rows.fill(undefined, to, this.#tail)
    this.#tail = to
    this.#settle()
  }

  /** How many rows are due at that time or before, and their summed cost. */
  dueBy(dueMs: number): { readonly rows: number; readonly cost: number } {
    const end = this.#firstDueAfter(dueMs)
    const before = end - this.#head
    if (this.#tail - end <= before) return { rows: before, cost: this.#cost - this.#costOf(end, this.#tail) }
    return { rows: before, cost: this.#costOf(this.#head, end) }
  }

  #costOf(start: number, end: number): number {
    const rows = this.#rows
    let cost = 0
    for (let i = start; i < end; i++) cost += rows[i]!.cost
    return cost
  }

  #clear(at: number): void {
    this.#cost -= this.#rows[at]!.cost
    this.#rows[at] = undefined
  }

  /** After rows have left: the array follows them. */
  #settle(): void {
    const { length } = this
    if (length === 0) {
      if (this.#rows.length > keptSlots) this.#rows = []
      this.#head = this.#tail = 0
      // Sums of fractions leave a rest.
      this.#cost = 0
    } else if (this.#head >= slackSlots && this.#head > length) {
      for (let i = 0; i < length; i++) {
        this.#rows[i] = this.#rows[this.#head + i]
        this.#rows[this.#head + i] = undefined
      }
      this.#head = 0
      this.#tail = length
    }
  }

  #firstDueAfter(dueMs: number): number {
    if (this.#tail === this.#head || this.#rows[this.#tail - 1]!.dueMs <= dueMs) return this.#tail
    let low = this.#head
    let high = this.#tail - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#rows[middle]!.dueMs <= dueMs) low = middle + 1
      else high = middle
    }
    return low
  }

  #firstDueAt(dueMs: number): number {
    let low = this.#head
    let high = this.#tail
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#rows[middle]!.dueMs < dueMs) low = middle + 1
      else high = middle
    }
    return low
  }
}
