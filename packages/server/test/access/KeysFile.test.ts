import { assert, describe, it } from "@effect/vitest"
import { parseKeys } from "@sluice/server/access/KeysFile"
import * as Result from "effect/Result"

const digest = (letter: string) => letter.repeat(64)

const mistakes = (text: string): ReadonlyArray<string> => {
  const read = parseKeys(text, "api_keys.yaml")
  return Result.isFailure(read) ? read.failure.message.split("\n") : []
}

const keysOf = (text: string) => Result.getOrThrow(parseKeys(text, "api_keys.yaml"))

describe("a keys file", () => {
  it("says of each key who brings it, what it may do, and until when", () => {
    const [search, ops] = keysOf(`keys:
  - id: search
    sha256: "${digest("A")}"
    roles: [predict]
    models: [sentiment, iris]
    limits: { requests: 100/s, concurrent: 4 }
    expires: 2027-01-31T12:00:00+02:00
    description: the search team
  - { id: ops, sha256: "${digest("b")}", roles: [read, admin], revoked: 2026-11-01 }
`)
    assert.deepStrictEqual(search, {
      principal: {
        id: "search",
        roles: new Set(["predict"] as const),
        models: new Set(["sentiment", "iris"]),
        limits: { requests: { amount: 100, windowMs: 1000 }, concurrent: 4 }
      },
      proof: { type: "sha256", digest: digest("a") },
      expiresMs: Date.UTC(2027, 0, 31, 10),
      revoked: false,
      description: "the search team"
    })
    assert.isUndefined(ops?.principal.models)
    assert.isTrue(ops?.revoked)
  })

  it("may have no keys yet", () => {
    assert.deepStrictEqual(keysOf("keys: []"), [])
  })

  it("is refused with every mistake, its line and its field", () => {
    assert.deepStrictEqual(
      mistakes(`keys:
  - id: "a b"
    sha256: "${digest("a")}"
    roles: [predit]
  - id: second
    sha256: "${digest("b")}"
    roles: []
    models: []
    limits: { requests: lots }
    expires: 2027-02-31
    revoked: maybe
    rolse: [read]
  - 7
`),
      [
        "api_keys.yaml:2: keys[0].id: expected 1 to 64 letters, digits, '_' or '-', starting with a letter or digit, got a value that is not shown",
        "api_keys.yaml:4: keys[0].roles[0]: expected \"predict\" | \"read\" | \"admin\", got a value that is not shown (did you mean \"predict\"?)",
        "api_keys.yaml:7: keys[1].roles: expected a list of one or more of predict, read, admin, got a list",
        "api_keys.yaml:8: keys[1].models: expected a list of one or more models: without models it may call all, got a list",
        "api_keys.yaml:9: keys[1].limits.requests: expected a rate such as \"100/s\", \"5000/min\" or \"100000/10 min\", got a value that is not shown",
        "api_keys.yaml:10: keys[1].expires: expected a time such as \"2027-01-31T12:00:00Z\", or a date, which begins at 0:00 " +
        "UTC, got a value that is not shown",
        "api_keys.yaml:11: keys[1].revoked: expected true, false or the time when it was revoked, got a value that is not shown",
        "api_keys.yaml:12: keys[1].rolse: unknown field (did you mean \"roles\"?)",
        "api_keys.yaml:13: keys[2]: expected a mapping, got a value that is not shown"
      ]
    )
  })

  it("is refused where two keys have one id or one secret, or a key has no proof or two", () => {
    assert.deepStrictEqual(
      mistakes(`keys:
  - { id: a, sha256: "${digest("a")}", roles: [read] }
  - { id: a, sha256: "${digest("b")}", roles: [read] }
  - { id: c, sha256: "${digest("A")}", roles: [read] }
  - { id: d, roles: [read] }
  - { id: anonymous, sha256: "${digest("e")}", roles: [read] }
`),
      [
        "api_keys.yaml:3: keys[1].id: there is another key \"a\": each id names one key",
        "api_keys.yaml:4: keys[2].sha256: key \"a\" has the same secret: make another one",
        "api_keys.yaml:5: keys[3].id: a key has either sha256 or scrypt",
        "api_keys.yaml:6: keys[4].id: \"anonymous\" is what those without an entry here are called: choose another"
      ]
    )
  })

  it.each(["slc_the-secret-itself", "1".repeat(64), "[slc_the-secret-itself]"])(
    "repeats nothing of %s, which stands where a digest should",
    (secret) => {
      for (const field of ["sha256", "scrypt"]) {
        const said = mistakes(`keys:\n  - { id: a, ${field}: ${secret}, roles: [read] }`).join("\n")
        assert.match(said, new RegExp(`^api_keys.yaml:2: keys\\[0\\].${field}: expected `))
        assert.notInclude(said, "secret")
        assert.notInclude(said, "1111")
      }
    }
  )

  it.each(["keys: [S3CRETxx]", "S3CRETxx", "keys: S3CRETxx", "keys: [{ id: S3CRET.xx }]", "keys: [*S3CRETxx]"])(
    "repeats nothing of a secret elsewhere: %s",
    (text) => {
      const said = mistakes(text).join("\n")
      assert.match(said, /^api_keys.yaml:1: /)
      assert.notInclude(said, "S3CRET")
    }
  )

  it.each(["2027-01-31T12:00:00", "31.01.2027", "tomorrow", "2027-13-01", "2027-01-31 12:00Z"])(
    "takes no end whose moment is open: %s",
    (expires) => {
      assert.lengthOf(
        mistakes(`keys:\n  - { id: a, sha256: "${digest("a")}", roles: [read], expires: "${expires}" }`),
        1
      )
    }
  )
})
