import { assert, describe, it } from "@effect/vitest"
import { isLeftover, sweepBeside } from "@sluice/core/store/Leftovers"
import { makeModelStore } from "@sluice/core/store/ModelStore"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import { dirname, join } from "node:path"
import { filesBelow, temporaryFolder } from "./Pulls.ts"

const write = (path: string): void => {
  Fs.mkdirSync(dirname(path), { recursive: true })
  Fs.writeFileSync(path, "x")
}

const hour = 3_600_000

describe("isLeftover", () => {
  it("goes by the name and the age", () => {
    const name = `model.onnx.${randomUUID()}`
    assert.isTrue(isLeftover(name, 0, hour + 1))
    assert.isFalse(isLeftover(name, 0, hour - 1))
    assert.isFalse(isLeftover("model.onnx", 0, hour + 1))
    assert.isFalse(isLeftover("model.onnx.lock", 0, hour + 1))
  })
})

describe("the store's sweep", () => {
  it.effect("removes what was left an hour ago, and nothing else", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryFolder
      const kept = ["blobs/sha256/ab", "partial/ab.onnx", "partial/ab.onnx.lock", "snapshots/s/r/onnx/model.onnx"]
      const left = ["partial/ab.onnx.lock", "partial/ab.onnx.json", "snapshots/s/r/onnx/model.onnx"]
      for (const name of [...kept, ...left.map((name) => `${name}.${randomUUID()}`)]) write(join(directory, name))
      const { sweep } = makeModelStore(directory)
      yield* TestClock.setTime(Date.now())
      yield* sweep
      assert.lengthOf(filesBelow(directory), kept.length + left.length)
      yield* TestClock.setTime(Date.now() + 2 * hour)
      yield* sweep
      assert.deepStrictEqual(filesBelow(directory), kept.toSorted())
    }))

  it.effect("minds no store that is not there", () =>
    Effect.flatMap(temporaryFolder, (folder) => makeModelStore(join(folder, "none")).sweep))
})

describe("sweepBeside", () => {
  it.effect("removes what was left of this file only", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const other = `notes.${randomUUID()}`
      for (const name of ["models.lock.json", `models.lock.json.${randomUUID()}`, other]) write(join(folder, name))
      yield* TestClock.setTime(Date.now() + 2 * hour)
      yield* sweepBeside(join(folder, "models.lock.json"))
      assert.deepStrictEqual(filesBelow(folder), ["models.lock.json", other].toSorted())
    }))
})
