/**
 * What the server prints when it listens and when it is ready: where, and which models in which version and precision.
 */
import type { VersionInfo } from "@sluice/core/registry/ModelRegistry"
import type { Settings } from "./config/Settings.ts"

const urlOf = (settings: Settings, port: number | undefined): string => {
  const { host } = settings.server
  const name = host === "127.0.0.1" || host === "::1" ? "localhost" : host.includes(":") ? `[${host}]` : host
  return `http://${name}:${port ?? settings.server.port}`
}

const accessOf = ({ auth: { keysFile, token } }: Settings): string => {
  const ways = [
    ...(token === undefined ? [] : ["AUTH_TOKEN"]),
    ...(keysFile === undefined ? [] : [`the keys of ${keysFile}`])
  ]
  return ways.length === 0 ? "open: no AUTH_TOKEN is set" : `by ${ways.join(" and ")}`
}

/** `coresOfEach` is what each of several processes may use. */
export const listenBanner = (settings: Settings, port: number | undefined, coresOfEach = 1): string => {
  const { workers } = settings.server
  const url = urlOf(settings, port)
  return [
    `Sluice listens on ${url}`,
    `  docs     ${url}/docs, ${url}/redoc`,
    settings.telemetry.metrics ? `  metrics  ${url}/metrics` : "  metrics  off (ENABLE_METRICS=false)",
    `  access   ${accessOf(settings)}`,
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
