import { assert, describe, it } from "@effect/vitest"
import { modelFiles } from "@sluice/core/execution/ModelFiles"
import { basename, dirname } from "node:path"

describe("modelFiles", () => {
  const files = modelFiles(import.meta.filename)

  it("finds a file beside the model", () => {
    assert.strictEqual(files.beside(basename(import.meta.filename)), import.meta.filename)
    assert.isUndefined(files.beside("no-such-file.json"))
  })

  it.each(["", ".", "..", "../fixtures/ScriptedPlugin.ts", "/etc/hostname", dirname(import.meta.filename)])(
    "finds nothing by %j, which is no plain file name",
    (name) => assert.isUndefined(files.beside(name))
  )
})
