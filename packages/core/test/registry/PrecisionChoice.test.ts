import { assert, describe, it } from "@effect/vitest"
import { parseYaml } from "@sluice/core/config/YamlDocument"
import { resolvePrecision } from "@sluice/core/registry/PrecisionChoice"
import { decodeRegistry } from "@sluice/core/registry/RegistryDecode"
import type { Precision } from "@sluice/domain/ModelInfo"
import * as Result from "effect/Result"

const versions = Result.getOrThrow(Result.flatMap(
  parseYaml(
    `models:
  m:
    default_version: both
    versions:
      both: { path: m32.onnx, variants: { fp16: m16.onnx } }
      small: { path: m8.onnx, precision: int8 }
`,
    "registry.yaml"
  ),
  decodeRegistry
)).models[0]?.versions ?? []

const choose = (name: string, wanted: Precision | undefined) => {
  const version = versions.find((version) => version.version === name)
  assert.isDefined(version)
  const choice = resolvePrecision(version, wanted)
  return [choice.precision, choice.file.written, choice.notice]
}

describe("resolvePrecision", () => {
  it.each(
    [
      ["both", undefined, "fp32", "m32.onnx"],
      ["both", "fp32", "fp32", "m32.onnx"],
      ["both", "fp16", "fp16", "m16.onnx"],
      ["small", undefined, "int8", "m8.onnx"],
      ["small", "int8", "int8", "m8.onnx"]
    ] as const
  )("version %s, wanted %s: %s from %s", (name, wanted, precision, file) => {
    assert.deepStrictEqual(choose(name, wanted), [precision, file, undefined])
  })

  it.each(
    [
      ["both", "int8", "fp32", "m32.onnx", "model \"m\" version \"both\" has no int8 file: it is served in fp32"],
      ["small", "fp16", "int8", "m8.onnx", "model \"m\" version \"small\" has no fp16 file: it is served in int8"]
    ] as const
  )("version %s has no %s: %s from %s, and it says so", (name, wanted, precision, file, notice) => {
    assert.deepStrictEqual(choose(name, wanted), [precision, file, notice])
  })
})
