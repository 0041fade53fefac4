/**
 * What a model's runs take, measured right after it is warm: the first points of its cost model. Runs in the worker.
 */
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { TensorMap } from "@sluice/domain/Tensor"
import type { Model, PluginError } from "@sluice/plugin-sdk/Plugin"
import { stackRows, zeroRow } from "@sluice/plugin-sdk/TensorRows"
import * as Effect from "effect/Effect"
import { monotonicReader } from "../Monotonic.ts"
import type { ProbeRow, Seed } from "./HostedModel.ts"
import { countRun } from "./RunTime.ts"

export interface Probed {
  readonly seeds: ReadonlyArray<Seed>
  readonly probes: ReadonlyArray<ProbeRow>
}

/** Of a short row and a long one; for each the first cost that the model has a row of. */
const shortCosts = [16, 8, 32]
const longCosts = [96, 64, 24]

/** Rows of the measured batch. */
const fewRows = 4

/** A version is not ready while it is measured, so what would take longer altogether is left out. */
const budgetMs = 120
/** Models that may run inline are measured more often, until their code is compiled: the least of many runs is theirs. */
const tinyMs = 1
const tinyRuns = { least: 40, most: 300, forMs: 12 }

/** The rows to measure a model with, the least costly first: its own, else a row of zeros of cost 1. */
export const probeRows = ({ probe }: Pick<Model, "probe">, signature: ModelSignature): ReadonlyArray<ProbeRow> => {
  if (probe === undefined) return [{ cost: 1, inputs: zeroRow(signature) }]
  const firstOf = (costs: ReadonlyArray<number>): ReadonlyArray<ProbeRow> => {
    for (const cost of costs) {
      const inputs = probe(cost)
      if (inputs !== undefined) return [{ cost, inputs }]
    }
    return []
  }
  const [short] = firstOf(shortCosts)
  const longer = firstOf(longCosts).filter(({ cost }) => cost > (short?.cost ?? 0))
  return short === undefined ? longer : [short, ...longer]
}

/** A version that was not measured. */
export const unprobed: Probed = { seeds: [], probes: [] }

/**
 * Measures one short row, one long row and a few short ones, the least of some runs each. A slow model is measured once
 * or twice, and one that fails on its rows not at all.
 */
export const probeModel = (model: Model, signature: ModelSignature): Effect.Effect<Probed> =>
  Effect.gen(function*() {
    const probes = probeRows(model, signature)
    const [short, long] = probes
    if (short === undefined) return unprobed
    const now = yield* monotonicReader
    const started = now()
    const seeds: Array<Seed> = []

    const timed = Effect.fnUntraced(function*(inputs: TensorMap): Effect.fn.Return<number, PluginError> {
      const counted = countRun(now)
      yield* model.run(inputs)
      return counted()
    })
    const measure = Effect.fnUntraced(function*(inputs: TensorMap, cost: number) {
      const from = now()
      const known = seeds[0]
      // A run takes at most as much longer as it costs more.
      if (known !== undefined && from - started + 2 * known.ms * cost / known.cost > budgetMs) return
      let least = yield* timed(inputs)
      const isTiny = least < tinyMs
      const runs = isTiny ? tinyRuns.most : least * 3 < budgetMs / 4 ? 3 : least * 2 < budgetMs ? 2 : 1
      for (let run = 1; run < runs; run++) {
        if (isTiny && run >= tinyRuns.least && now() - from > tinyRuns.forMs) break
        least = Math.min(least, yield* timed(inputs))
      }
      seeds.push({ cost, ms: least })
    })

    yield* measure(short.inputs, short.cost)
    if (long !== undefined) yield* measure(long.inputs, long.cost)
    if (signature.batchable) {
      const rows = Array.from({ length: fewRows }, () => short.inputs)
      yield* measure(stackRows(rows), fewRows * short.cost)
    }
    return { seeds, probes }
  }).pipe(
    // A model that warmed up serves, whatever it makes of rows that nobody sent.
    Effect.catchCause(() => Effect.succeed(unprobed))
  )
