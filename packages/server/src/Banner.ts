/**
 * What the server prints when it listens and when it is ready: where, and which models in which version and precision.
 */
import type { VersionInfo } from "@sluice/core/registry/ModelRegistry"
import * as Redacted from "effect/Redacted"
import type { Settings } from "./config/Settings.ts"

/** The ports as the system gave them, where a setting left that to it. */
export interface BoundPorts {
  readonly port: number | undefined
  /** Undefined where there is no second port. */
  readonly metricsPort?: number | undefined
}

export interface BannerOptions {
  /** What each of several processes may use. */
  readonly coresOfEach?: number
  /** A key that was made for this run: here is the one place where it is shown. */
  readonly generatedKey?: Redacted.Redacted<string> | undefined
}

const nameOf = (host: string): string =>
  host === "127.0.0.1" || host === "::1" ? "localhost" : host.includes(":") ? `[${host}]` : host

const metricsLine = ({ server, telemetry }: Settings, url: string, metricsPort: number | undefined): string => {
  if (!telemetry.metrics) return "  metrics  off (ENABLE_METRICS=false)"
  return metricsPort === undefined
    ? `  metrics  ${url}/metrics`
    : `  metrics  http://${nameOf(server.host)}:${metricsPort}/metrics`
}

const accessOf = ({ auth: { keysFile, token } }: Settings): string => {
  const ways = [
    ...(token === undefined ? [] : ["AUTH_TOKEN"]),
    ...(keysFile === undefined ? [] : [`the keys of ${keysFile}`])
  ]
  return ways.length === 0 ? "open: no AUTH_TOKEN is set" : `by ${ways.join(" and ")}`
}

const accessLines = (
  settings: Settings,
  generatedKey: Redacted.Redacted<string> | undefined
): ReadonlyArray<string> => {
  if (generatedKey !== undefined) {
    return [
      `  access   by a key made for this run: ${Redacted.value(generatedKey)}`,
      "           send it as Authorization: Bearer or X-Token; it is not shown again"
    ]
  }
  return [`  access   ${accessOf(settings)}`]
}

export const listenBanner = (
  settings: Settings,
  { metricsPort, port }: BoundPorts,
  { coresOfEach = 1, generatedKey }: BannerOptions = {}
): string => {
  const { host, tls, workers } = settings.server
  const url = `${tls.cert === undefined ? "http" : "https"}://${nameOf(host)}:${port ?? settings.server.port}`
  return [
    `Sluice listens on ${url}`,
    settings.docs.enabled ? `  docs     ${url}/docs, ${url}/redoc` : "  docs     off (ENABLE_DOCS=false)",
    metricsLine(settings, url, metricsPort),
    ...accessLines(settings, generatedKey),
    ...(workers === 1
      ? []
      : [`  workers  ${workers} processes, ${coresOfEach} core${coresOfEach === 1 ? "" : "s"} each`])
  ].join("\n")
}

const pad = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? []
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd())
}

/** One line a version; `sinceStartMs` is the age of the process. */
export const readyBanner = (versions: ReadonlyArray<VersionInfo>, sinceStartMs: number): string => {
  const rows = versions.map((version) => [
    `  ${version.model_id}${version.default ? " (default)" : ""}`,
    version.state,
    version.precision,
    version.device,
    version.plugin,
    version.failure ?? ""
  ])
  const ready = versions.filter((version) => version.state === "ready").length
  return [`${ready} of ${versions.length} model versions ready after ${Math.round(sinceStartMs)} ms`, ...pad(rows)]
    .join("\n")
}
