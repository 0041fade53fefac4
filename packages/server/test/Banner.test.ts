import { assert, describe, it } from "@effect/vitest"
import type { VersionInfo } from "@sluice/core/registry/ModelRegistry"
import { listenBanner, readyBanner } from "@sluice/server/Banner"
import { resolveSettings } from "@sluice/server/config/Settings"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

const settingsOf = (env: Readonly<Record<string, string>>) =>
  Result.getOrThrow(resolveSettings({ env, dotenv: {}, yaml: undefined })).settings

const version = (changes: Partial<VersionInfo>): VersionInfo => ({
  name: "iris",
  version: "v1",
  model_id: "iris@v1",
  status: "active",
  state: "ready",
  default: false,
  traffic_percent: 0,
  description: "",
  precision: "fp32",
  device: "cpu",
  plugin: "sklearn-onnx",
  plugin_reason: "",
  ...changes
})

describe("listenBanner", () => {
  it("says where everything is, by the port that was bound", () => {
    assert.strictEqual(
      listenBanner(settingsOf({ PORT: "0" }), { port: 41_234 }),
      [
        "Sluice listens on http://localhost:41234",
        "  docs     http://localhost:41234/docs, http://localhost:41234/redoc",
        "  metrics  http://localhost:41234/metrics",
        "  access   open: no AUTH_TOKEN is set"
      ].join("\n")
    )
  })

  it("says how many processes there are, where it is not one, and what each may use", () => {
    const lines = (WORKERS: string, cores: number) =>
      listenBanner(settingsOf({ WORKERS }), { port: 8000 }, { coresOfEach: cores }).split("\n")
    assert.include(lines("4", 1), "  workers  4 processes, 1 core each")
    assert.include(lines("2", 3), "  workers  2 processes, 3 cores each")
    assert.notInclude(lines("1", 4).join("\n"), "workers")
  })

  it("says that a key is asked for, and not which", () => {
    const banner = listenBanner(settingsOf({ AUTH_TOKEN: "secret", ENABLE_METRICS: "false" }), { port: 8000 })
    assert.include(banner, "  access   by AUTH_TOKEN")
    assert.include(banner, "  metrics  off (ENABLE_METRICS=false)")
    assert.notInclude(banner, "secret")
  })

  it("shows a key that was made for the run", () => {
    const generatedKey = Redacted.make("slc_made")
    const banner = listenBanner(settingsOf({ HOST: "0.0.0.0" }), { port: 8000 }, { generatedKey })
    assert.include(banner, "  access   by a key made for this run: slc_made\n")
  })

  it("says https with a certificate, where the second port is, and that there are no documents", () => {
    const settings = settingsOf({ TLS_CERT: "a.pem", TLS_KEY: "b.pem", METRICS_PORT: "0", ENABLE_DOCS: "false" })
    assert.deepStrictEqual(listenBanner(settings, { port: 8443, metricsPort: 9090 }).split("\n").slice(0, 3), [
      "Sluice listens on https://localhost:8443",
      "  docs     off (ENABLE_DOCS=false)",
      "  metrics  http://localhost:9090/metrics"
    ])
  })

  it("has an address that can be opened, whatever the host", () => {
    const first = (HOST: string) => listenBanner(settingsOf({ HOST }), { port: 8000 }).split("\n")[0]
    assert.strictEqual(first("127.0.0.1"), "Sluice listens on http://localhost:8000")
    assert.strictEqual(first("::1"), "Sluice listens on http://localhost:8000")
    assert.strictEqual(first("0.0.0.0"), "Sluice listens on http://0.0.0.0:8000")
    assert.strictEqual(first("fe80::1"), "Sluice listens on http://[fe80::1]:8000")
  })
})

describe("readyBanner", () => {
  it("has a line a version, in columns, with why one is not ready", () => {
    const versions = [
      version({ default: true }),
      version({
        model_id: "sentiment@v2",
        state: "failed",
        precision: "int8",
        plugin: "text",
        failure: "no tokenizer.json"
      })
    ]
    assert.strictEqual(
      readyBanner(versions, 1234.4),
      [
        "1 of 2 model versions ready after 1234 ms",
        "  iris@v1 (default)  ready   fp32  cpu  sklearn-onnx",
        "  sentiment@v2       failed  int8  cpu  text          no tokenizer.json"
      ].join("\n")
    )
  })
})
