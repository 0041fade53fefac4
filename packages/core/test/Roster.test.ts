import { assert, describe, it } from "@effect/vitest"
import { type Member, nowhere, Roster } from "@sluice/core/Roster"
import * as fc from "fast-check"

describe("Roster", () => {
  it("has whom a Set would have, however they come and go", () =>
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9))), (steps) => {
        const members: ReadonlyArray<Member> = Array.from({ length: 10 }, () => ({ place: nowhere }))
        const roster = new Roster<Member>()
        const expected = new Set<Member>()
        for (const [comes, which] of steps) {
          const member = members[which]!
          if (!comes) {
            roster.delete(member)
            expected.delete(member)
          } else if (!expected.has(member)) {
            roster.add(member)
            expected.add(member)
          }
          assert.strictEqual(roster.size, expected.size)
          assert.sameMembers([...roster], [...expected])
        }
        assert.sameMembers([...roster.clear()], [...expected])
        assert.strictEqual(roster.size, 0)
      })
    ))
})
