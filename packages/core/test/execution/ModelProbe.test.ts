import { assert, describe, it } from "@effect/vitest"
import { probeModel, probeRows } from "@sluice/core/execution/ModelProbe"
import { type Model, PluginError, type TensorMap } from "@sluice/plugin-sdk"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"

const signature = {
  inputs: [{ name: "x", datatype: "FP32" as const, shape: [-1, -1] }],
  outputs: [{ name: "y", datatype: "FP32" as const, shape: [-1, 1] }],
  batchable: true
}

const row = (cost: number): TensorMap => ({
  x: { datatype: "FP32", shape: [1, cost], data: new Float32Array(cost) }
})

/** A model whose run takes `ms`, by rows, cost of a row, and how many runs there were. */
const modelOf = (
  ms: (rows: number, cost: number, run: number) => number,
  probe: Model["probe"] = row
): { readonly model: Model; readonly runs: () => number } => {
  let runs = 0
  const model: Model = {
    signature,
    run: (inputs) => {
      const [rows = 0, cost = 0] = inputs["x"]?.shape ?? []
      return Effect.as(TestClock.adjust(ms(rows, cost, runs++)), {})
    },
    ...(probe === undefined ? {} : { probe })
  }
  return { model, runs: () => runs }
}

describe("probeModel", () => {
  it.effect("measures a short row, a long one and a few short ones, and keeps their least time", () =>
    Effect.gen(function*() {
      // Every other run is held up by the machine.
      const { model } = modelOf((rows, cost, run) => 1 + 0.0625 * rows * cost + (run % 2 === 0 ? 3 : 0))
      const { probes, seeds } = yield* probeModel(model, signature)
      assert.deepStrictEqual(seeds, [{ cost: 16, ms: 2 }, { cost: 96, ms: 7 }, { cost: 64, ms: 5 }])
      assert.deepStrictEqual(probes, [{ cost: 16, inputs: row(16) }, { cost: 96, inputs: row(96) }])
    }))

  it.effect("measures a model without rows of its own by a row of zeros, which costs 1", () =>
    Effect.gen(function*() {
      const { model } = modelOf((rows) => rows / 8)
      const { probe: _, ...plain } = model
      const { probes, seeds } = yield* probeModel(plain, signature)
      assert.deepStrictEqual(seeds, [{ cost: 1, ms: 0.125 }, { cost: 4, ms: 0.5 }])
      assert.deepStrictEqual(probes, [{ cost: 1, inputs: row(1) }])
    }))

  it.effect("finds what a tiny model takes though the machine holds most of its runs up", () =>
    Effect.gen(function*() {
      const { model } = modelOf((_, __, run) => run % 8 === 7 ? 0.03125 : 0.5)
      const { seeds } = yield* probeModel(model, signature)
      assert.strictEqual(seeds[0]?.ms, 0.03125)
    }))

  it.effect.each<readonly [number]>([[30], [200], [5000]])(
    "is done soon with a model that takes %d ms a row",
    ([ms]) =>
      Effect.gen(function*() {
        const { model, runs } = modelOf((rows, cost) => ms * rows * cost / 16)
        const { seeds } = yield* probeModel(model, signature)
        assert.deepStrictEqual(seeds[0], { cost: 16, ms })
        const total = seeds.length === 1 ? runs() * ms : Infinity
        assert.isAtMost(total, Math.max(ms, 120))
      })
  )

  it.effect("measures nothing of a model that fails on its rows", () =>
    Effect.gen(function*() {
      const refusing: Model = { signature, run: () => Effect.fail(new PluginError({ reason: "not zeros" })) }
      assert.deepStrictEqual(yield* probeModel(refusing, signature), { seeds: [], probes: [] })
      const throwing: Model = {
        ...refusing,
        probe: () => {
          throw new RangeError("no")
        }
      }
      assert.deepStrictEqual(yield* probeModel(throwing, signature), { seeds: [], probes: [] })
    }))

  it.effect("leaves rows alone that do not batch", () =>
    Effect.gen(function*() {
      const { model } = modelOf(() => 0.25)
      const { seeds } = yield* probeModel(model, { ...signature, batchable: false })
      assert.deepStrictEqual(seeds.map(({ cost }) => cost), [16, 96])
    }))
})

describe("probeRows", () => {
  it.each([
    ["the next costs where there are none of the first", (cost: number) => cost < 32 && cost !== 16, [8, 24]],
    ["one row where the model takes one length", (cost: number) => cost === 32, [32]],
    ["no row where it takes none of them", () => false, []]
  ])("gives %s", (_, takes, costs) => {
    const rows = probeRows({ probe: (cost) => takes(cost) ? row(cost) : undefined }, signature)
    assert.deepStrictEqual(rows.map(({ cost }) => cost), costs)
  })
})
