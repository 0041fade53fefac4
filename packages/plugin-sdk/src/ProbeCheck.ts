/**
 * The promise of a model's `probe`: by its rows the host measures what a batch of a cost takes.
 */
import * as Effect from "effect/Effect"
import { type ConformanceFailure, type ConformanceSubject, open, refute, succeed } from "./ConformanceSubject.ts"
import { signatureMismatch } from "./SignatureCheck.ts"

/** Tokens, features, whatever `cost` counts: from the least there is to more than one, which some models do not take. */
const probedCosts = [1, 8, 64]

/** A probe gives rows of the signature that run, and that cost what was asked for. */
export const checkProbe = <O, E>(subject: ConformanceSubject<O, E>): Effect.Effect<void, ConformanceFailure> =>
  Effect.scoped(Effect.gen(function*() {
    const { codec, model } = yield* open(subject)
    const { probe, signature } = model
    if (probe === undefined) return
    const rows = yield* succeed(
      "probe",
      Effect.sync(() =>
        probedCosts.flatMap((cost) => {
          const inputs = probe(cost)
          return inputs === undefined ? [] : [{ cost, inputs }]
        })
      )
    )
    if (rows.length === 0) return yield* refute(`probe gives no row of any cost of ${probedCosts.join(", ")}`)
    for (const { cost, inputs } of rows) {
      const unfit = signatureMismatch("input", signature.inputs, inputs)
      if (unfit !== undefined) return yield* refute(`probe(${cost}) is not of the signature: ${unfit}`)
      if (signature.batchable && Object.values(inputs).some((tensor) => tensor.shape[0] !== 1)) {
        return yield* refute(`probe(${cost}) gave tensors whose first dimension is not 1`)
      }
      const costs = codec?.cost?.(inputs) ?? 1
      if (costs !== cost) return yield* refute(`probe(${cost}) gave a row that costs ${costs}`)
      yield* succeed(`run of probe(${cost})`, model.run(inputs))
    }
  }))
