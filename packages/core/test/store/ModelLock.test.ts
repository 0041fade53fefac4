import { assert, describe, it } from "@effect/vitest"
import { type LockedModel, parseLock, renderLock, withLocked } from "@sluice/core/store/ModelLock"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"

const digest = "ab".repeat(32)
const entry = (revision: string, ...paths: ReadonlyArray<string>): LockedModel => ({
  source: "hf:org/model",
  revision,
  files: paths.map((path) => ({ path, sha256: digest, size: 1 }))
})
const pathsOf = (models: ReadonlyArray<LockedModel>) =>
  models.map(({ files }) => files.map(({ path }) => path).toSorted())

describe("withLocked", () => {
  it("adds to what the same revision has", () => {
    assert.deepStrictEqual(pathsOf(withLocked([entry("r1", "a", "b")], entry("r1", "b", "c"))), [["a", "b", "c"]])
  })

  it("replaces what another revision had, and leaves other sources", () => {
    const other = { ...entry("r1", "x"), source: "hf:org/other" }
    assert.deepStrictEqual(pathsOf(withLocked([other, entry("r1", "a")], entry("r2", "c"))), [["x"], ["c"]])
  })
})

describe("renderLock", () => {
  const word = fc.stringMatching(/^[a-z]{1,8}$/)
  const models = fc.uniqueArray(
    fc.record({
      source: word.map((name) => `hf:org/${name}`),
      revision: word,
      files: fc.uniqueArray(
        fc.record({ path: word, sha256: fc.constant(digest), size: fc.nat() }),
        { selector: ({ path }) => path, minLength: 1, maxLength: 4 }
      )
    }),
    { selector: ({ source }) => source, maxLength: 4 }
  )

  it.effect("is read as it was written, whatever the order", () =>
    Effect.promise(() =>
      fc.assert(fc.asyncProperty(models, async (models) => {
        const text = renderLock(models)
        assert.strictEqual(renderLock(models.toReversed()), text)
        assert.strictEqual(renderLock(await Effect.runPromise(parseLock(text, "lock"))), text)
      }))
    ))
})

describe("parseLock", () => {
  it.effect.each([
    { what: "what is not JSON", text: "{" },
    { what: "another version", text: JSON.stringify({ version: 2, models: [] }) },
    { what: "a name that leads out", text: renderLock([entry("r1", "../../etc/cron")]) },
    { what: "a revision that leads out", text: renderLock([entry("../up", "a")]) },
    { what: "a model without files", text: renderLock([entry("r1")]) },
    { what: "no digest", text: renderLock([entry("r1", "a")]).replace(digest, "../../x") }
  ])(
    "refuses $what",
    ({ text }) =>
      Effect.map(
        Effect.flip(parseLock(text, "config/models.lock.json")),
        ({ message }) => assert.match(message, /^config\/models\.lock\.json is not a lock file/)
      )
  )
})
