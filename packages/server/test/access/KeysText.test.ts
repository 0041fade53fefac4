import { assert, describe, it } from "@effect/vitest"
import { parseKeys } from "@sluice/server/access/KeysFile"
import { addKey, revokeKey, type WrittenKey } from "@sluice/server/access/KeysText"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const file = "api_keys.yaml"
const digest = (letter: string) => letter.repeat(64)
const add = (text: string, key: WrittenKey) => Result.getOrThrow(addKey(text, file, key))
const keysOf = (text: string) => Result.getOrThrow(parseKeys(text, file))
const messageOf = <A>(result: Result.Result<A, Error>) =>
  Result.isFailure(result) ? result.failure.message : "it was made"

const commented = `# who calls us
keys:
  # the oldest one
  - id: search # ask Ann
    sha256: "${digest("a")}"
    roles: [predict]

  - id: ops
    sha256: "${digest("b")}"
    roles: [admin] # all of it
# the end
`

const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 })
const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,20}$/)
const described = fc.record({ id, sha256: hex, description: fc.string() })

describe("a key that is added", () => {
  it("begins a file where there is none", () => {
    const text = add("", { id: "search", sha256: digest("a"), roles: ["predict"], models: ["iris"] })
    assert.match(text, /^# The keys of callers/)
    assert.deepStrictEqual(keysOf(text).map(({ principal }) => principal.id), ["search"])
  })

  it("stands at the end, and leaves comments where they were", () => {
    const text = add(commented, { id: "trial", sha256: digest("c"), roles: ["read", "predict"], expires: "2027-01-31" })
    assert.deepStrictEqual(keysOf(text).map(({ principal }) => principal.id), ["search", "ops", "trial"])
    for (const comment of ["# who calls us", "# the oldest one", "# ask Ann", "# all of it", "# the end"]) {
      assert.include(text, comment)
    }
    assert.include(text, "roles: [ read, predict ]")
  })

  it("is read back as it was written, whatever its digest and description look like in YAML", () => {
    fc.assert(fc.property(fc.uniqueArray(described, { maxLength: 5, selector: ({ id }) => id }), (keys) => {
      fc.pre(new Set(keys.map(({ sha256 }) => sha256)).size === keys.length)
      fc.pre(keys.every(({ id }) => id !== "anonymous" && id !== "auth_token"))
      const text = keys.reduce((text, key) => add(text, { ...key, roles: ["read"] }), "")
      const read = text === "" ? [] : keysOf(text)
      assert.deepStrictEqual(
        read.map(({ description, principal, proof }) => ({
          id: principal.id,
          sha256: proof.type === "sha256" ? proof.digest : "",
          description
        })),
        keys
      )
    }))
  })

  it("is refused where its id is there, and where the file has mistakes", () => {
    const key = { id: "ops", sha256: digest("c"), roles: ["read"] }
    assert.strictEqual(
      messageOf(addKey(commented, file, key)),
      "api_keys.yaml: there is a key \"ops\" already: choose another --id"
    )
    assert.include(
      messageOf(addKey(commented.replace("admin", "amdin"), file, key)),
      "api_keys.yaml:10: keys[1].roles[0]"
    )
  })
})

describe("a key that is revoked", () => {
  it("has the time in its entry, and the others have nothing", () => {
    const text = Result.getOrThrow(revokeKey(commented, file, "search", "2026-11-21T10:00:00.000Z"))
    if (text === undefined) return assert.fail("nothing was made of it")
    assert.deepStrictEqual(keysOf(text).map(({ revoked }) => revoked), [true, false])
    assert.include(text, "revoked: 2026-11-21T10:00:00.000Z")
    assert.include(text, "# ask Ann")
  })

  it("stays as it is the second time", () => {
    const once = Result.getOrThrow(revokeKey(commented, file, "ops", "2026-11-21T10:00:00.000Z"))
    assert.isUndefined(Result.getOrThrow(revokeKey(once ?? "", file, "ops", "2026-12-01T10:00:00.000Z")))
  })

  it("is taken back where an entry said that it is not revoked", () => {
    const text = commented.replace("# all of it", "\n    revoked: false")
    const revoked = Result.getOrThrow(revokeKey(text, file, "ops", "2026-11-21T10:00:00.000Z"))
    assert.isTrue(keysOf(revoked ?? "")[1]?.revoked)
  })

  it("must be there", () => {
    assert.strictEqual(
      messageOf(revokeKey(commented, file, "nobody", "2026-11-21")),
      "api_keys.yaml: there is no key \"nobody\": it has search, ops"
    )
  })
})
