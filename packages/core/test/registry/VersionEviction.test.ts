import { assert, describe, it } from "@effect/vitest"
import { chooseEvictions, chooseFirst, type LoadedVersion } from "@sluice/core/registry/VersionEviction"
import * as fc from "fast-check"

const version: fc.Arbitrary<Omit<LoadedVersion, "id">> = fc.record({
  bytes: fc.integer({ min: 0, max: 100 }),
  lastUsedMs: fc.integer({ min: 0, max: 20 }),
  idle: fc.boolean(),
  pinned: fc.boolean()
})
const versions = fc.array(version, { maxLength: 12 }).map((list) => list.map((each, i) => ({ ...each, id: `m@v${i}` })))
const limits = fc.record({
  versions: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constant(Infinity)),
  bytes: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constant(Infinity))
})
const arrival = fc.option(fc.record({ bytes: fc.integer({ min: 0, max: 100 }) }), { nil: undefined })

describe("chooseEvictions", () => {
  it("puts away no more than the limits ask for, the least recently used first, and nothing that is used or pinned", () => {
    fc.assert(fc.property(versions, limits, arrival, (loaded, limits, arrival) => {
      const chosen = chooseEvictions(loaded, limits, arrival)
      const away = new Set(chosen)
      const kept = loaded.filter(({ id }) => !away.has(id))
      const count = kept.length + (arrival === undefined ? 0 : 1)
      const bytes = kept.reduce((sum, each) => sum + each.bytes, arrival?.bytes ?? 0)
      const movable = (each: LoadedVersion) => each.idle && !each.pinned
      for (const each of loaded.filter(({ id }) => away.has(id))) assert.isTrue(movable(each))
      if (count > limits.versions || bytes > limits.bytes) assert.isFalse(kept.some(movable))
      const last = loaded.find(({ id }) => id === chosen.at(-1))
      if (last !== undefined) {
        // The last one had to go as well.
        assert.isTrue(count + 1 > limits.versions || bytes + last.bytes > limits.bytes)
        for (const each of kept.filter(movable)) assert.isAtLeast(each.lastUsedMs, last.lastUsedMs)
      }
    }))
  })
})

describe("chooseFirst", () => {
  it("loads what is pinned, and others in their order while there is room", () => {
    const list = [
      { id: "a@v1", bytes: 10, pinned: false },
      { id: "b@v1", bytes: 60, pinned: false },
      { id: "c@v1", bytes: 50, pinned: true },
      { id: "d@v1", bytes: 20, pinned: false }
    ]
    const first = (versions: number, bytes: number) => [...chooseFirst(list, { versions, bytes })]
    assert.deepStrictEqual(first(Infinity, Infinity), ["c@v1", "a@v1", "b@v1", "d@v1"])
    assert.deepStrictEqual(first(2, Infinity), ["c@v1", "a@v1"])
    assert.deepStrictEqual(first(Infinity, 80), ["c@v1", "a@v1", "d@v1"])
    assert.deepStrictEqual(first(1, 1), ["c@v1"])
  })
})
