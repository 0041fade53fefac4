import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { MemoryEntries } from "../../src/cache/MemoryEntries.ts"

const overhead = 200
const key = fc.constantFrom("a", "b", "c", "d", "e", "ab")
const step = fc.oneof(
  fc.record({ does: fc.constant("get" as const), key }),
  fc.record({
    does: fc.constant("set" as const),
    key,
    size: fc.integer({ min: 0, max: 900 }),
    life: fc.integer({ min: 1, max: 9 })
  }),
  fc.record({ does: fc.constant("clear" as const), key })
)

describe("MemoryEntries", () => {
  it("holds what a list in the order of use would hold", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const maxBytes = 2_000
        const memory = new MemoryEntries(maxBytes)
        // The model: from the one used longest ago to the one used last.
        let list: Array<{ key: string; size: number; until: number }> = []
        const bytes = () => list.reduce((sum, each) => sum + each.key.length + each.size + overhead, 0)
        steps.forEach((each, now) => {
          switch (each.does) {
            case "get": {
              const found = list.find(({ key, until }) => key === each.key && until > now)
              assert.strictEqual(memory.get(each.key, now)?.byteLength, found?.size)
              list = list.filter((other) => other.key !== each.key)
              if (found !== undefined) list.push(found)
              break
            }
            case "set": {
              memory.set(each.key, new Uint8Array(each.size), now + each.life)
              list = list.filter((other) => other.key !== each.key)
              list.push({ key: each.key, size: each.size, until: now + each.life })
              while (bytes() > maxBytes) list.shift()
              break
            }
            case "clear": {
              const left = list.filter((other) => !other.key.startsWith(each.key))
              assert.strictEqual(memory.clear(each.key), list.length - left.length)
              list = left
            }
          }
          assert.deepStrictEqual([memory.entries, memory.bytes], [list.length, bytes()])
        })
      }),
      { seed: 5, numRuns: 500 }
    )
  })

  it("counts what went for want of room, and nothing else", () => {
    const memory = new MemoryEntries(2 * (overhead + 1))
    for (const each of ["a", "b", "c"]) memory.set(each, new Uint8Array(0), 10)
    memory.set("c", new Uint8Array(0), 10)
    memory.get("b", 11)
    memory.clear("c")
    assert.strictEqual(memory.evictions, 1)
  })
})
