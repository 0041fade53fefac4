import { assert, describe, it } from "@effect/vitest"
import { itemCount, type LimitedCall, neverFits, planLimits, tokenDebits } from "../../src/limits/LimitPlan.ts"
import type { Limits } from "../../src/limits/Limits.ts"

const perSecond = (amount: number) => ({ amount, windowMs: 1_000 })
const call: LimitedCall = {
  callerId: "ann",
  callerLimits: undefined,
  model: "m",
  modelLimits: undefined,
  items: 3
}
const none = { global: undefined, perKey: undefined }
const scopes = (changes: Partial<LimitedCall>, of: { readonly global?: Limits; readonly perKey?: Limits }) =>
  planLimits({ ...call, ...changes }, { ...none, ...of }).map(({ metric, scope, take }) => [scope, metric, take.amount])

describe("planLimits", () => {
  it("has nothing where nothing is limited", () => {
    assert.deepStrictEqual(planLimits(call, none), [])
  })

  it("takes of the key, the model and the server what each limits", () => {
    const planned = scopes(
      { callerLimits: { requests: perSecond(5), concurrent: 2 }, modelLimits: { tokens: perSecond(9) } },
      { global: { items: perSecond(7) } }
    )
    assert.deepStrictEqual(planned, [
      ["key", "requests", 5],
      ["key", "concurrent", 2],
      ["model", "tokens", 9],
      ["global", "items", 7]
    ])
  })

  it("gives a key the limits of all keys only where it has none of its own", () => {
    const perKey = { requests: perSecond(4) }
    assert.deepStrictEqual(scopes({}, { perKey }), [["key", "requests", 4]])
    assert.deepStrictEqual(scopes({ callerLimits: { items: perSecond(8) } }, { perKey }), [["key", "items", 8]])
  })

  it("counts keys, models, metrics and windows apart", () => {
    const limits = { requests: perSecond(5), items: perSecond(5), tokens: perSecond(5), concurrent: 5 }
    const keysOf = (changes: Partial<LimitedCall>, global?: Limits) =>
      planLimits({ ...call, ...changes }, { ...none, global }).map(({ take }) => take.key)
    const keys = [
      ...keysOf({ callerLimits: limits, modelLimits: limits }, limits),
      // A caller of a model's name, and one whose name ends another's key
      ...keysOf({ callerLimits: limits, callerId: "m" }),
      ...keysOf({ callerLimits: { requests: { amount: 5, windowMs: 60_000 } } })
    ]
    assert.strictEqual(new Set(keys).size, keys.length)
  })

  it("needs one request, all items, and of tokens only that some are left", () => {
    const limits = { requests: perSecond(50), items: perSecond(50), tokens: perSecond(50) }
    const takes = planLimits({ ...call, callerLimits: limits }, none).map(({ take }) =>
      take.kind === "window" ? [take.need, take.take] : []
    )
    assert.deepStrictEqual(takes, [[1, 1], [3, 3], [1, 0]])
  })
})

describe("neverFits", () => {
  const limits = { items: perSecond(3) }

  it("names the limit that is smaller than the request", () => {
    const plan = planLimits({ ...call, items: 4, callerLimits: limits }, none)
    assert.strictEqual(neverFits(plan)?.metric, "items")
  })

  it("names none where the request could fit", () => {
    assert.isUndefined(neverFits(planLimits({ ...call, items: 3, callerLimits: limits }, none)))
  })
})

describe("itemCount", () => {
  it("counts natural items, and the rows of tensors", () => {
    const text = { _tag: "Text", text: "a" } as const
    assert.strictEqual(itemCount({ _tag: "Items", items: [text, text] }), 2)
    const tensor = { datatype: "FP32", shape: [5, 2], data: new Float32Array(10) } as const
    assert.strictEqual(itemCount({ _tag: "Tensors", tensors: { x: tensor } }), 5)
    assert.strictEqual(itemCount({ _tag: "Tensors", tensors: {} }), 1)
  })
})

describe("tokenDebits", () => {
  it("take what was used of the limits on tokens, without asking for room", () => {
    const limits = { requests: perSecond(5), tokens: perSecond(9), concurrent: 2 }
    const plan = planLimits({ ...call, callerLimits: limits, modelLimits: { tokens: perSecond(7) } }, none)
    const debits = tokenDebits(plan, 40).map((take) =>
      take.kind === "window" ? [take.amount, take.need, take.take] : []
    )
    assert.deepStrictEqual(debits, [[9, 0, 40], [7, 0, 40]])
  })
})
