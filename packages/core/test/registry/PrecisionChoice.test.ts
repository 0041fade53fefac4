import { assert, describe, it } from "@effect/vitest"
import { parseYaml } from "@sluice/core/config/YamlDocument"
import { resolvePrecision, resolveUnderLoad } from "@sluice/core/registry/PrecisionChoice"
import { decodeRegistry } from "@sluice/core/registry/RegistryDecode"
import type { VersionEntry } from "@sluice/core/registry/RegistryEntry"
import type { Device, Precision } from "@sluice/domain/ModelInfo"
import * as Result from "effect/Result"

const versions = Result.getOrThrow(Result.flatMap(
  parseYaml(
    `models:
  m:
    default_version: both
    versions:
      both: { path: m32.onnx, variants: { fp16: m16.onnx } }
      small: { path: m8.onnx, precision: int8 }
      auto: { path: m32.onnx, precision: auto, variants: { fp16: m16.onnx, int8: m8.onnx }, int8_above_wait: 50 }
`,
    "registry.yaml"
  ),
  decodeRegistry
)).models[0]?.versions ?? []

const versionNamed = (name: string): VersionEntry => {
  const version = versions.find((version) => version.version === name)
  assert.isDefined(version)
  return version
}

const choose = (name: string, wanted: Precision | undefined, device: Device = "cpu") => {
  const choice = resolvePrecision(versionNamed(name), wanted, device)
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

  it("goes by the device where the registry leaves it open", () => {
    const chosen = (name: string, device: Device) => choose(name, undefined, device).slice(0, 2)
    assert.deepStrictEqual(chosen("auto", "cpu"), ["fp32", "m32.onnx"])
    assert.deepStrictEqual(chosen("auto", "cuda"), ["fp16", "m16.onnx"])
    assert.deepStrictEqual(chosen("both", "cuda"), ["fp32", "m32.onnx"])
    assert.deepStrictEqual(choose("auto", "int8", "cuda").slice(0, 2), ["int8", "m8.onnx"])
  })
})

describe("resolveUnderLoad", () => {
  it("is the int8 file where the registry asks for it and another one is served", () => {
    assert.strictEqual(resolveUnderLoad(versionNamed("auto"), "fp32")?.file.written, "m8.onnx")
    assert.isUndefined(resolveUnderLoad(versionNamed("auto"), "int8"))
    assert.isUndefined(resolveUnderLoad(versionNamed("both"), "fp32"))
  })
})
