/**
 * Every setting, once: the configuration's type, `sluice config` and the reference page are all made from this.
 */
import { modelSettings } from "./ModelSettings.ts"
import { rateLimitSettings } from "./RateLimitSettings.ts"
import { serverSettings } from "./ServerSettings.ts"
import { setting, type ValuesOf } from "./Setting.ts"
import * as Type from "./SettingType.ts"
import { stateSettings } from "./StateSettings.ts"

export const settingDefinitions = {
  config: {
    file: setting({
      env: "SLUICE_CONFIG",
      type: Type.path,
      default: "config/sluice.yaml",
      inYaml: false,
      meaning: "The file that these settings are read from. The default may be missing; a file named here must exist."
    })
  },
  server: serverSettings.server,
  plugins: modelSettings.plugins,
  models: modelSettings.models,
  batching: modelSettings.batching,
  execution: modelSettings.execution,
  state: stateSettings.state,
  cache: stateSettings.cache,
  redis: stateSettings.redis,
  limits: serverSettings.limits,
  rateLimits: rateLimitSettings,
  auth: serverSettings.auth,
  docs: serverSettings.docs,
  telemetry: {
    logLevel: setting({
      env: "LOG_LEVEL",
      type: Type.choice(["trace", "debug", "info", "warn", "error", "fatal", "none"]),
      default: "info",
      meaning: "The least severe message that is logged. debug and trace cost throughput."
    }),
    logFormat: setting({
      env: "LOG_FORMAT",
      type: Type.choice(["auto", "json", "pretty"]),
      default: "auto",
      meaning:
        "How log lines look: json for collectors, pretty for people; auto is pretty on a terminal and json elsewhere."
    }),
    auditLog: setting({
      env: "AUDIT_LOG",
      type: Type.optional(Type.path),
      default: undefined,
      meaning:
        "The file that every change to what is served is appended to, who made it and what came of it, as JSON lines; it must " +
        "be writable at start. Unset keeps the last 1000 in memory. Either way they are in the server's own log, too."
    }),
    metrics: setting({
      env: "ENABLE_METRICS",
      type: Type.boolean,
      default: true,
      meaning: "Whether GET /metrics answers, for Prometheus."
    }),
    metricsPort: setting({
      env: "METRICS_PORT",
      type: Type.optional(Type.integer(0, 65_535)),
      default: undefined,
      meaning:
        "A second port, on the same address, for /metrics and the health probes alone: plain HTTP without a key, to be " +
        "closed off by the network. /metrics then leaves the main port. 0 takes a free port and prints it."
    }),
    tracing: setting({
      env: "ENABLE_TRACING",
      type: Type.boolean,
      default: false,
      meaning:
        "Whether each request is traced and sent by OTLP to where OTEL_EXPORTER_OTLP_ENDPOINT says. It costs some " +
        "throughput."
    })
  },
  shutdown: serverSettings.shutdown,
  breaker: modelSettings.breaker
}

/** The value of every setting, by section and name. */
export type Settings = ValuesOf<typeof settingDefinitions>
