/**
 * What `sluice models pull | add | inspect` read from flags and files, and how they show it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { renderReport } from "../src/models/InspectReport.ts"
import { progressLine, sizeText } from "../src/models/ProgressBar.ts"
import { defaultEndpoint, type PullChoice, readPullChoice } from "../src/models/PullSettings.ts"
import { sentenceFacts } from "../src/models/SentenceModules.ts"

const choice: PullChoice = {
  revision: Option.none(),
  file: [],
  offline: false,
  maxSize: "4 GiB",
  allowHttp: false,
  lock: "models.lock.json"
}

const read = (changes: Partial<PullChoice>, environment: Readonly<Record<string, string>> = {}) =>
  readPullChoice({ ...choice, ...changes }, environment)

const mistake = (changes: Partial<PullChoice>, environment: Readonly<Record<string, string>> = {}): string =>
  Result.match(read(changes, environment), { onSuccess: () => "accepted", onFailure: ({ reason }) => reason })

describe("readPullChoice", () => {
  it("is the hub's main branch where nothing is said", () => {
    const { files, hub, maxSize, offline, revision } = Result.getOrThrow(read({}, { HF_TOKEN: " ", HF_ENDPOINT: "" }))
    assert.deepStrictEqual([hub.endpoint.origin, hub.token], [defaultEndpoint, undefined])
    assert.deepStrictEqual([files, maxSize, offline, revision], [[], 4 * 1024 ** 3, false, "main"])
  })

  it("reads the hub's own variables, and shows no key", () => {
    const environment = { HF_TOKEN: "hf_secret", HF_ENDPOINT: "https://hub.example/mirror", HF_HUB_OFFLINE: "yes" }
    const { hub, offline } = Result.getOrThrow(read({}, environment))
    assert.strictEqual(hub.endpoint.href, "https://hub.example/mirror")
    assert.strictEqual(hub.token === undefined ? "" : Redacted.value(hub.token), "hf_secret")
    assert.notInclude(JSON.stringify(hub) + String(hub.token), "hf_secret")
    assert.isTrue(offline)
  })

  it.each([
    [{}, { HF_ENDPOINT: "http://hub.example" }, /^HF_ENDPOINT: .*this machine only/],
    [{}, { HF_ENDPOINT: "https://ann:hush@hub.example" }, /^HF_ENDPOINT: .*a user or a password/],
    [{}, { HF_TOKEN: "hf_a\nhf_b" }, /^HF_TOKEN has a line break/],
    [{}, { HF_TOKEN: "hf_\u00e9" }, /^HF_TOKEN has .*set it to the key alone$/],
    [{ maxSize: "0" }, {}, /is not a size/],
    [{ maxSize: "-1 GiB" }, {}, /is not a size/],
    [{ revision: Option.some("a..b") }, {}, /is not a revision/],
    [{ file: ["/etc/passwd"] }, {}, /an absolute path/]
  ])("refuses %j with %j", (changes, environment, says) => {
    assert.match(mistake(changes, environment), says)
  })

  it("takes a key without the line break that a file ends with", () => {
    const { hub } = Result.getOrThrow(read({}, { HF_TOKEN: "hf_secret\n" }))
    assert.strictEqual(hub.token === undefined ? "" : Redacted.value(hub.token), "hf_secret")
  })

  it("takes http: offline, where nothing is fetched", () => {
    const { rules } = Result.getOrThrow(read({ offline: true }, { HF_ENDPOINT: "http://127.0.0.1:1" }))
    assert.isTrue(rules.allowHttp)
  })

  it("takes sizes in bytes and with units", () => {
    const size = (maxSize: string) => Result.getOrThrow(read({ maxSize })).maxSize
    assert.deepStrictEqual(["1000", "512 MiB", "1 GB"].map(size), [1000, 512 * 1024 ** 2, 1e9])
  })
})

describe("sizeText", () => {
  it("has at most three digits before its unit", () => {
    assert.deepStrictEqual([0, 1, 1023, 1024, 23_998_464].map(sizeText), [
      "0 B",
      "1 B",
      "1023 B",
      "1.0 KiB",
      "22.9 MiB"
    ])
    fc.assert(fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (bytes) => {
      assert.match(sizeText(bytes), /^\d{1,4}(\.\d)? (B|KiB|MiB|GiB|TiB)$/)
    }))
  })
})

describe("progressLine", () => {
  it("shows how much of how much, or only how much", () => {
    assert.strictEqual(
      progressLine("onnx/model.onnx", 5 * 1024 ** 2, 10 * 1024 ** 2, 80),
      "onnx/model.onnx [============            ]  50 % 5.0 MiB of 10.0 MiB"
    )
    assert.strictEqual(progressLine("model.onnx", 1024, undefined, 80), "model.onnx 1.0 KiB")
  })

  it("fits a terminal that has room for the figures", () => {
    const amount = fc.nat({ max: 2 ** 40 })
    fc.assert(
      fc.property(fc.string(), amount, fc.option(amount, { nil: undefined }), fc.integer({ min: 72, max: 200 }), (
        file,
        received,
        total,
        columns
      ) => {
        assert.isBelow(progressLine(file, received, total, columns).length, columns)
      })
    )
  })
})

describe("sentenceFacts", () => {
  const modules = (...types: ReadonlyArray<string>) =>
    JSON.stringify(types.map((type, idx) => ({ idx, type: `sentence_transformers.models.${type}` })))

  it("asks for vectors of length 1 where the repository's have it", () => {
    assert.deepStrictEqual(sentenceFacts(modules("Transformer", "Pooling", "Normalize"), undefined)?.options, {
      task: "text-embedding",
      normalize: true
    })
    assert.deepStrictEqual(sentenceFacts(modules("Transformer", "Pooling"), undefined)?.options, {
      task: "text-embedding"
    })
  })

  it("notes another pooling than the plugin's, and nothing of files that it cannot read", () => {
    assert.isString(sentenceFacts(modules("Pooling"), "{\"pooling_mode_mean_tokens\":false}")?.note)
    assert.isUndefined(sentenceFacts(modules("Pooling"), "{\"pooling_mode_mean_tokens\":true}")?.note)
    assert.isUndefined(sentenceFacts(modules("Pooling"), "not JSON")?.note)
    assert.isUndefined(sentenceFacts("{}", undefined))
    assert.isUndefined(sentenceFacts(undefined, undefined))
  })
})

describe("renderReport", () => {
  it("says what is not known, and leaves out what there is not", () => {
    const text = renderReport({
      format: "ONNX",
      irVersion: 8,
      producer: "",
      sizeBytes: 2048,
      opsets: { "": 17 },
      inputs: [{ name: "x", kind: "tensor", datatype: "FP32", shape: [-1, 30] }],
      outputs: [{ name: "maps", kind: "sequence", datatype: undefined, shape: undefined }],
      operators: { Gemm: 2 },
      quantised: [],
      precision: "fp32",
      parameters: 4101,
      weights: { float32: 4101 },
      externalFiles: ["model.onnx_data"]
    })
    assert.match(text, /^input +x +FP32 +\[any, 30\]$/m)
    assert.match(text, /^output +maps +sequence +not said$/m)
    assert.match(text, /^parameters +4,101 \(float32 4,101\)$/m)
    assert.match(text, /^weights in +model\.onnx_data$/m)
    assert.notMatch(text, /producer|quantised/)
  })
})
