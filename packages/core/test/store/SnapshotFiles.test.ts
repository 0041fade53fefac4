import { assert, describe, it } from "@effect/vitest"
import { besideLinks, chooseFiles } from "@sluice/core/store/SnapshotFiles"
import * as Result from "effect/Result"

const chosen = (available: ReadonlyArray<string>, wanted: ReadonlyArray<string> = []) =>
  Result.match(chooseFiles(available, wanted), { onSuccess: (files) => files, onFailure: ({ reason }) => reason })

describe("chooseFiles", () => {
  it("prefers the full model that the hub's exporters write", () => {
    const models = ["onnx/model_O4.onnx", "onnx/model.onnx", "model.onnx"]
    assert.deepStrictEqual(chosen([...models, "tokenizer.json", "README.md"]), ["onnx/model.onnx", "tokenizer.json"])
  })

  it("takes the only one, whatever its name", () => {
    assert.deepStrictEqual(chosen(["net/deep.ONNX", "config.json"]), ["net/deep.ONNX", "config.json"])
  })

  it("takes the weights that lie beside the model", () => {
    assert.deepStrictEqual(chosen(["m.onnx", "m.onnx_data", "n.onnx_data"]), ["m.onnx", "m.onnx_data"])
  })

  it("does not guess among several", () => {
    assert.match(String(chosen(["a.onnx", "b.onnx"])), /several models, choose by --file: a\.onnx, b\.onnx/)
  })

  it("says so where there is none", () => {
    assert.match(String(chosen(["README.md"])), /no \.onnx file/)
    assert.match(String(chosen(["a.onnx"], ["b.onnx"])), /no file b\.onnx; its models: a\.onnx/)
  })
})

describe("besideLinks", () => {
  it("puts beside the model what lies at the top", () => {
    assert.deepStrictEqual(besideLinks(["onnx/model.onnx", "tokenizer.json", "1_Pooling/config.json"]), [
      ["onnx/tokenizer.json", "tokenizer.json"],
      ["onnx/1_Pooling/config.json", "1_Pooling/config.json"]
    ])
  })

  it("leaves what is there, and a model at the top", () => {
    assert.deepStrictEqual(besideLinks(["onnx/model.onnx", "onnx/config.json", "config.json"]), [])
    assert.deepStrictEqual(besideLinks(["model.onnx", "config.json"]), [])
  })
})
