/**
 * The conformance suite itself: a plugin that keeps the contract passes, and each promise broken is found by its check.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Tensor, TensorMap } from "@sluice/domain/Tensor"
import { type Model, PluginError } from "@sluice/plugin-sdk"
import { conformance } from "@sluice/plugin-sdk/Conformance"
import * as Checks from "@sluice/plugin-sdk/ConformanceChecks"
import { checkProbe } from "@sluice/plugin-sdk/ProbeCheck"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { numbers, plugin, scaled, signature, type Subject, subject, withCodec, withModel } from "./DoublingPlugin.ts"

const row = (shape: readonly [number, number]): Tensor => ({
  datatype: "FP32",
  shape,
  data: new Float32Array(shape[0] * shape[1])
})

conformance("the doubling plugin", subject)

conformance(
  "a plugin whose model takes rows of one cost only",
  withModel((model) => ({ ...model, probe: (cost) => cost === 1 ? { x: row([1, 2]) } : undefined }))
)

const { codec: _, ...raw } = plugin

conformance("the doubling plugin without a codec", {
  ...subject,
  plugin: raw,
  items: [],
  rows: [1, 2, 3].map((value) => ({
    x: { datatype: "FP32" as const, shape: [1, 2], data: Float32Array.of(value, -value) }
  }))
})

const withRun = (run: (inputs: TensorMap, model: Model) => ReturnType<Model["run"]>): Subject =>
  withModel((model) => ({ ...model, run: (inputs) => run(inputs, model) }))

/** Changes every good answer. */
const withOutputs = (change: (outputs: TensorMap, inputs: TensorMap) => TensorMap): Subject =>
  withRun((inputs, model) => Effect.map(model.run(inputs), (outputs) => change(outputs, inputs)))

const y = (shape: ReadonlyArray<number>, values: ReadonlyArray<number>): TensorMap => ({
  y: { datatype: "FP32", shape, data: Float32Array.from(values) }
})

const reused = new Float32Array(4)

/** Says how many runs a model has begun. */
const counted = (change: (runs: number, inputs: TensorMap, model: Model) => ReturnType<Model["run"]>): Subject => {
  let runs = 0
  return withRun((inputs, model) => Effect.suspend(() => change(++runs, inputs, model)))
}

interface Breach {
  readonly name: string
  readonly check: (broken: Subject) => Effect.Effect<void, { readonly message: string }>
  readonly broken: Subject
  readonly says: RegExp
}

const breaches: ReadonlyArray<Breach> = [
  {
    name: "a probe that gives no row of any cost",
    check: checkProbe,
    broken: withModel((model) => ({ ...model, probe: () => undefined })),
    says: /no row of any cost/
  },
  {
    name: "a probe that costs something else",
    check: checkProbe,
    broken: withModel((model) => ({ ...model, probe: () => ({ x: row([1, 2]) }) })),
    says: /probe\(8\) gave a row that costs 1/
  },
  {
    name: "a probe of two rows",
    check: checkProbe,
    broken: withModel((model) => ({ ...model, probe: () => ({ x: row([2, 2]) }) })),
    says: /first dimension is not 1/
  },
  {
    name: "a probe that is not of the signature",
    check: checkProbe,
    broken: withModel((model) => ({ ...model, probe: () => ({ x: row([1, 3]) }) })),
    says: /probe\(1\) is not of the signature/
  },
  {
    name: "no apiVersion",
    check: Checks.checkDefinition,
    broken: { ...subject, plugin: { ...plugin, apiVersion: "0.9" } },
    says: /apiVersion is 0\.9/
  },
  {
    name: "a name no registry can hold",
    check: Checks.checkDefinition,
    broken: { ...subject, plugin: { ...plugin, name: "My Plugin" } },
    says: /name must be/
  },
  {
    name: "options that refuse nothing",
    check: Checks.checkOptions,
    broken: { ...subject, invalidOptions: [{ options: { scale: 3 }, path: ["scale"] }] },
    says: /succeeded, expected SchemaError/
  },
  {
    name: "options that refuse at another field",
    check: Checks.checkOptions,
    broken: { ...subject, invalidOptions: [{ options: { scale: "3" }, path: ["factor"] }] },
    says: /refused at \[\["scale"\]\], expected \["factor"\]/
  },
  {
    name: "an output the signature does not name",
    check: Checks.checkSignature,
    broken: withOutputs((outputs) => ({ z: outputs["y"]! })),
    says: /output "y" is missing/
  },
  {
    name: "an output of another datatype",
    check: Checks.checkSignature,
    broken: withOutputs((outputs) => ({ y: { ...outputs["y"]!, datatype: "FP64", data: new Float64Array(2) } })),
    says: /expected FP32 \[-1, 2\], got FP64 \[1, 2\]/
  },
  {
    name: "a batch answered with one row",
    check: Checks.checkSignature,
    broken: withOutputs(() => y([1, 2], [1, 2])),
    says: /1 rows for a batch of 2/
  },
  {
    name: "fewer elements than the shape says",
    check: Checks.checkSignature,
    broken: withOutputs((outputs) => y(outputs["y"]!.shape, [1])),
    says: /holds 2 elements, got 1/
  },
  {
    name: "warm-up inputs that are not the model's",
    check: Checks.checkSignature,
    broken: withModel((model) => ({ ...model, warmup: [{}] })),
    says: /warm-up tensors are not the signature's: input "x" is missing/
  },
  {
    name: "rows of a batch mixed up",
    check: Checks.checkBatch,
    broken: withOutputs((outputs) => y(outputs["y"]!.shape, numbers(outputs["y"]).toReversed())),
    says: /row 0's output "y" is another in a batch than alone/
  },
  {
    name: "NaN in a batch only",
    check: Checks.checkBatch,
    broken: withOutputs((outputs) =>
      outputs["y"]!.shape[0] === 1 ? outputs : y(outputs["y"]!.shape, [NaN, NaN, NaN, NaN])
    ),
    says: /row 0's output "y"/
  },
  {
    name: "a codec that takes items it does not accept",
    check: Checks.checkCodec,
    broken: withCodec({ encode: () => Result.succeed({ x: y([1, 2], [1, 2])["y"]! }) }),
    says: /encode of \{"_tag":"Text","text":"text"\} succeeded, expected InvalidItem/
  },
  {
    name: "a codec that throws on a bad item",
    check: Checks.checkCodec,
    broken: withCodec({
      encode: (item) => {
        if (item._tag !== "Features" || item.values.length !== 2) throw new TypeError("boom")
        return Result.succeed({ x: y([1, 2], [1, 2])["y"]! })
      }
    }),
    says: /died, expected InvalidItem: TypeError: boom/
  },
  {
    name: "a decode that throws",
    check: Checks.checkCodec,
    broken: withCodec({
      decode: () => {
        throw new TypeError("no decode")
      }
    }),
    says: /decode died: TypeError: no decode/
  },
  {
    name: "a decode without an answer",
    check: Checks.checkCodec,
    broken: withCodec({ decode: () => ({ probabilities: { a: 1 } }) }),
    says: /no prediction/
  },
  {
    name: "an item that costs nothing",
    check: Checks.checkCodec,
    broken: withCodec({ cost: () => 0 }),
    says: /cost of an item is 0/
  },
  {
    name: "run that answers after release",
    check: Checks.checkRelease,
    broken: {
      ...subject,
      plugin: {
        ...plugin,
        load: (_, { scale }) => Effect.succeed({ signature, run: (x) => Effect.succeed(scaled(x, scale)) })
      }
    },
    says: /run after release succeeded, expected PluginError/
  },
  {
    name: "a model spoilt by an interruption",
    check: Checks.checkCancellation,
    broken: counted((runs, inputs, model) =>
      runs === 2 ? Effect.never : runs > 4 ? Effect.succeed(y([1, 2], [0, 0])) : model.run(inputs)
    ),
    says: /output "y" is another after an interrupted run/
  },
  {
    name: "run that throws on wrong inputs",
    check: Checks.checkInputs,
    broken: withRun((inputs, model) => (inputs["x"]?.datatype === "FP32" ? model.run(inputs) : Effect.die("no x"))),
    says: /run with an input missing died, expected PluginError: no x/
  },
  {
    name: "run that takes what it is given",
    check: Checks.checkInputs,
    broken: withRun((inputs) => Effect.succeed(inputs)),
    says: /run with a column too many succeeded, expected PluginError/
  },
  {
    name: "one output buffer used again and again",
    check: Checks.checkOwnership,
    broken: withOutputs((outputs) => {
      reused.set(outputs["y"]!.data as Float32Array)
      return { y: { ...outputs["y"]!, data: reused.subarray(0, outputs["y"]!.data.length) } }
    }),
    says: /a later run changed the outputs of an earlier one/
  },
  {
    name: "inputs given back as outputs",
    check: Checks.checkOwnership,
    broken: withOutputs((_, inputs) => ({ y: inputs["x"]! })),
    says: /changed, or kept, its inputs/
  },
  {
    name: "an instance that dies with another",
    check: Checks.checkInstances,
    broken: (() => {
      let closed = false
      return {
        ...subject,
        plugin: {
          ...plugin,
          load: (_, { scale }) =>
            Effect.as(
              Effect.addFinalizer(() => Effect.sync(() => (closed = true))),
              {
                signature,
                run: (x: TensorMap) =>
                  Effect.suspend(() =>
                    closed ? Effect.fail(new PluginError({ reason: "closed" })) : Effect.succeed(scaled(x, scale))
                  )
              }
            )
        }
      } satisfies Subject
    })(),
    says: /run after another instance's release failed: PluginError: closed/
  }
]

describe("the conformance suite", () => {
  for (const { broken, check, name, says } of breaches) {
    it.effect(`finds ${name}`, () =>
      Effect.gen(function*() {
        const failure = yield* Effect.flip(check(broken))
        assert.match(failure.message, says)
      }))
  }

  it.effect("gives up on a run that never settles and cannot be interrupted", () =>
    Effect.gen(function*() {
      const stuck = counted((runs, inputs, model) =>
        runs === 2 ? Effect.uninterruptible(Effect.never) : model.run(inputs)
      )
      const fiber = yield* Effect.forkChild(Effect.flip(Checks.checkCancellation(stuck)), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      assert.match((yield* Fiber.join(fiber)).message, /an interrupted run did not settle/)
    }))

  it.effect("finds options that are no schema", () =>
    Effect.gen(function*() {
      const broken = { ...subject, plugin: { ...plugin, options: JSON.parse("{}") as typeof Schema.Never } }
      assert.match((yield* Effect.flip(Checks.checkDefinition(broken))).message, /options is not a Schema/)
    }))

  it.effect("compares no answers where the model depends on its batch, but their shapes", () =>
    Effect.gen(function*() {
      const noisy = withOutputs((outputs) =>
        y(outputs["y"]!.shape, numbers(outputs["y"]).map(() => outputs["y"]!.shape[0]!))
      )
      yield* Effect.flip(Checks.checkBatch(noisy))
      yield* Checks.checkBatch({ ...noisy, batchInvariant: false })
    }))
})
