/**
 * The models that ship are those whose sums are written down, all of them and no others.
 */
import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { shipped } from "./Fixtures.ts"

describe("config/models", () => {
  const sums = new Map(
    readFileSync(shipped("SHA256SUMS"), "utf8").trim().split("\n").map((line) => [line.slice(66), line.slice(0, 64)])
  )

  it("holds the files of SHA256SUMS and nothing else but its README", () => {
    const files = readdirSync(shipped(""), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath}/${entry.name}`.slice(shipped("").length).replace(/^\//, ""))
    assert.deepStrictEqual(files.sort(), [...sums.keys(), "README.md", "SHA256SUMS"].sort())
  })

  for (const [path, sum] of sums) {
    it(`has ${path} unchanged`, () => {
      assert.strictEqual(createHash("sha256").update(readFileSync(shipped(path))).digest("hex"), sum)
    })
  }
})
