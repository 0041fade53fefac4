/**
 * What calibration measures of a model on a machine: how fast each layout of instances and threads computes batches of
 * each size.
 */
import * as Schema from "effect/Schema"

const count = Schema.Int.check(Schema.isGreaterThan(0))
const positive = Schema.Finite.check(Schema.isGreaterThan(0))

/** One measured point. `cost` is that of a row, by the model's codec: tokens, for texts. */
export const PlanPoint = Schema.Struct({
  instances: count,
  /** Threads of one instance. */
  threads: count,
  /** Rows of a batch. */
  batch: count,
  cost: positive,
  /** With all instances computing at the same time. */
  itemsPerSecond: positive,
  /** One batch while nothing else computes, in milliseconds. */
  aloneMs: positive
})
export interface PlanPoint extends Schema.Schema.Type<typeof PlanPoint> {}

export const PlanTable = Schema.Struct({
  points: Schema.NonEmptyArray(PlanPoint),
  /** How much of the machine others used meanwhile, 0 to 1: the more, the less the figures say. */
  othersBusy: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
  /** When it was measured: UTC, ISO 8601. */
  measuredAt: Schema.String,
  /** False where time ran out before every point was measured. */
  complete: Schema.Boolean
})
export interface PlanTable extends Schema.Schema.Type<typeof PlanTable> {}
