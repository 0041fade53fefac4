/**
 * Measures a model on this machine: each layout of instances and threads in workers of its own, with short rows and
 * long ones, in batches that grow while that pays.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { HostedModel, Instance, ProbeRow } from "../execution/HostedModel.ts"
import { monotonicReader } from "../Monotonic.ts"
import { rateTogether, timeAlone } from "./LayoutMeasurement.ts"
import { watchOthers } from "./MachineLoad.ts"
import { type Layout, layoutText } from "./PlanChoice.ts"
import type { PlanPoint, PlanTable } from "./PlanTable.ts"

/** The model could not be measured. `reason` is for operators. */
export class CalibrationFailed extends Data.TaggedError("CalibrationFailed")<{
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message() {
    return this.reason
  }
}

export interface CalibrationSubject {
  readonly layouts: ReadonlyArray<Layout>
  /** Loads the model in this layout, measured at warm-up, in workers that end with the scope. */
  readonly open: (layout: Layout) => Effect.Effect<HostedModel, { readonly message: string }, Scope.Scope>
  /** About how long it may take in all. The smallest batch of each layout is measured in any case. */
  readonly budgetMs: number
}

const largestBatch = 64
/** A batch that takes longer is not made larger: its callers wait for all of it. */
const longestBatchMs = 1000
/** A layout's further instances give way to other versions that load, and then load themselves. */
const allLoadedWithin = "2 minutes"

/** Larger batches are given up after so many doublings that did not raise the rate by a twentieth. */
const sizesWithoutGain = 2

interface Gain {
  readonly rate: number
  /** How many larger batches have not raised it. */
  readonly sizesSince: number
}

const gainOf = (before: Gain | undefined, rate: number): Gain =>
  before === undefined || rate > before.rate * 1.05
    ? { rate, sizesSince: 0 }
    : { rate: before.rate, sizesSince: before.sizesSince + 1 }

/** Waits until all instances of a layout are there. */
const allInstances = Effect.fnUntraced(function*(hosted: HostedModel, layout: Layout) {
  const there = yield* Deferred.make<ReadonlyArray<Instance>>()
  const look = (): void => {
    const instances = hosted.instances()
    if (instances.length >= layout.instances) Deferred.doneUnsafe(there, Effect.succeed(instances))
  }
  hosted.onChange(look)
  look()
  return yield* Deferred.await(there).pipe(
    Effect.timeoutOrElse({
      duration: allLoadedWithin,
      orElse: () => Effect.fail(new CalibrationFailed({ reason: `not all of ${layoutText(layout)} could be loaded` }))
    })
  )
})

/** Measures one layout until `endsAt`, in milliseconds of the monotonic clock; the smallest batches in any case. */
const measureLayout = Effect.fnUntraced(function*(
  { open }: CalibrationSubject,
  layout: Layout,
  endsAt: number
) {
  const now = yield* monotonicReader
  const hosted = yield* open(layout)
  const instances = yield* allInstances(hosted, layout)
  const rows = hosted.probes ?? []
  const points: Array<PlanPoint> = []
  /** Rows for which larger batches have stopped to gain. */
  const done = new Set<ProbeRow>()
  const gains = new Map<ProbeRow, Gain>()
  const most = hosted.signature.batchable ? largestBatch : 1
  for (let batch = 1; batch <= most && done.size < rows.length; batch *= 2) {
    for (const row of rows) {
      if (done.has(row)) continue
      if (batch > 1 && now() >= endsAt) return { points, complete: false }
      const [first] = instances
      if (first === undefined) continue
      const aloneMs = yield* timeAlone(first, row, batch)
      const itemsPerSecond = yield* rateTogether(instances, row, batch, aloneMs)
      points.push({ ...layout, batch, cost: row.cost, itemsPerSecond, aloneMs })
      const gain = gainOf(gains.get(row), itemsPerSecond)
      gains.set(row, gain)
      if (gain.sizesSince >= sizesWithoutGain || aloneMs > longestBatchMs) done.add(row)
    }
  }
  return { points, complete: true }
}, Effect.scoped)

/** Measures every layout. Fails where the model cannot be loaded or fails on its own rows. */
export const calibrate = Effect.fn("Calibration.calibrate")(
  function*(subject: CalibrationSubject): Effect.fn.Return<PlanTable, CalibrationFailed> {
    const now = yield* monotonicReader
    const othersSince = yield* watchOthers
    const points: Array<PlanPoint> = []
    let complete = true
    const ends = now() + subject.budgetMs
    for (const [i, layout] of subject.layouts.entries()) {
      // Each has an equal share of what is left, so that the last are measured as well as the first.
      const endsAt = now() + Math.max(0, ends - now()) / (subject.layouts.length - i)
      const measured = yield* measureLayout(subject, layout, endsAt).pipe(
        Effect.mapError((error) =>
          error instanceof CalibrationFailed ? error : new CalibrationFailed({ reason: error.message, cause: error })
        )
      )
      points.push(...measured.points)
      complete = complete && measured.complete
    }
    const [first, ...others] = points
    if (first === undefined) {
      return yield* new CalibrationFailed({ reason: "the model has no row that it could be measured with" })
    }
    return {
      points: [first, ...others],
      othersBusy: yield* othersSince,
      measuredAt: new Date(yield* Clock.currentTimeMillis).toISOString(),
      complete
    }
  }
)
