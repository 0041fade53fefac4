/** Stub. */
export class BatchGrowth {
  readonly limit: number
  constructor(max: number) {
    this.limit = max
  }
  observe(_items: number, _cost: number, _ms: number): void {}
}
