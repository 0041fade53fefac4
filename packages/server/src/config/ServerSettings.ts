/**
 * Settings of the server itself: where it listens, who may call, how large and long a request may be, how it stops.
 */
import * as Duration from "effect/Duration"
import { setting } from "./Setting.ts"
import * as Type from "./SettingType.ts"

const mebibyte = 1024 * 1024
const host = Type.text("a host name or an IP address", /^[A-Za-z0-9._:-]+$/)

export const serverSettings = {
  server: {
    host: setting({
      env: "HOST",
      type: host,
      default: "127.0.0.1",
      meaning:
        "The address to listen on. 127.0.0.1 answers this machine only; 0.0.0.0 answers every network that the " +
        "machine is on, so set AUTH_TOKEN with it: without a key the server makes one for the run and prints it."
    }),
    port: setting({
      env: "PORT",
      type: Type.integer(0, 65_535),
      default: 8000,
      meaning: "The TCP port to listen on. 0 takes a free one and prints it."
    }),
    workers: setting({
      env: "WORKERS",
      type: Type.integer(1, 1_024),
      default: 1,
      unit: "processes",
      meaning:
        "How many processes share the port, and the cores. More put more cores to HTTP, JSON and tokenising, where one " +
        "event loop is what limits; each loads its own copy of every model, and has queues, circuit breakers and a cache in " +
        "memory of its own (Redis keeps one cache for all). 1 is best while models take most of the time."
    }),
    apiPrefix: setting({
      env: "API_V1_STR",
      type: Type.routePrefix,
      default: "/api/v1",
      meaning:
        "The path before the platform's own routes, as in /api/v1/predict. Changing it changes the URL that every " +
        "client must call; /v1, /v2, /rpc and /health stay where they are."
    }),
    tls: {
      cert: setting({
        env: "TLS_CERT",
        type: Type.optional(Type.path),
        default: undefined,
        meaning:
          "The server's certificate in PEM, with the chain below it. With it and TLS_KEY the port speaks https, TLS 1.2 or " +
          "above, and no plain HTTP. A file that changes is taken up at once, without closing connections."
      }),
      key: setting({
        env: "TLS_KEY",
        type: Type.optional(Type.path),
        default: undefined,
        meaning:
          "The certificate's private key in PEM, without a passphrase. Only the server's user should be able to read it."
      })
    },
    corsOrigins: setting({
      env: "CORS_ORIGINS",
      type: Type.optional(Type.origins),
      default: undefined,
      meaning:
        "The web pages that browsers let call this server, by origin, as in https://app.example.com; a list, in the " +
        "environment parted by commas. Unset lets no page of another origin read an answer."
    })
  },
  limits: {
    maxBodyBytes: setting({
      env: "MAX_BODY_BYTES",
      type: Type.bytes(1_024, 1024 * mebibyte),
      default: 8 * mebibyte,
      unit: "bytes",
      meaning:
        "The largest request body, after decompression; larger ones get 413. Each request in flight may hold this " +
        "much memory."
    }),
    headersTimeout: setting({
      env: "HEADERS_TIMEOUT",
      type: Type.duration("seconds", Duration.hours(1), Duration.millis(100)),
      default: Duration.seconds(15),
      unit: "s",
      meaning:
        "How long a client may take to send a request's headers; then it gets 408 and its connection is closed. Less frees " +
        "connections that are held by dribbling, too little fails clients on bad networks. A whole request may take 5 minutes " +
        "to come."
    }),
    maxConnections: setting({
      env: "MAX_CONNECTIONS",
      type: Type.optional(Type.integer(1, 10_000_000)),
      default: undefined,
      unit: "connections",
      meaning:
        "How many connections a process holds at once; one more is closed as soon as it is made. Less bounds the memory that " +
        "idle clients take. Unset leaves it to the system's limit of open files."
    }),
    requestTimeout: setting({
      env: "REQUEST_TIMEOUT_MS",
      type: Type.duration("milliseconds", Duration.hours(1)),
      default: Duration.seconds(30),
      unit: "ms",
      meaning:
        "How long a request may take where neither the caller nor the model says; then it gets 504. Less frees " +
        "callers sooner, too little fails slow models."
    }),
    runTimeout: setting({
      env: "RUN_TIMEOUT",
      type: Type.duration("seconds", Duration.hours(1), Duration.millis(1)),
      default: Duration.seconds(30),
      unit: "s",
      meaning:
        "How long one batch may compute before its instance counts as hung and is replaced, where the registry does " +
        "not say. Less frees its callers sooner; less than the longest batch needs replaces instances that are well."
    })
  },
  auth: {
    token: setting({
      env: "AUTH_TOKEN",
      type: Type.optional(Type.token),
      default: undefined,
      meaning:
        "The key that every request must carry, in X-Token or Authorization: Bearer; it may do everything. Unset, with " +
        "auth.keys_file unset too, lets everyone in on a loopback address; on any other the server makes a key for the run " +
        "and prints it once, with where it listens."
    }),
    keysFile: setting({
      env: "API_KEYS_FILE",
      type: Type.optional(Type.path),
      default: undefined,
      meaning:
        "The file with the keys of several callers, their roles, models and limits, as `sluice keys create` writes it; it must " +
        "be there at start, and is read again when it changes. AUTH_TOKEN holds beside it. Unset takes AUTH_TOKEN alone."
    }),
    open: setting({
      env: "AUTH_OPEN",
      type: Type.boolean,
      default: false,
      meaning:
        "Whether a server without a key stays open where other machines reach its port. True lets everyone in who can " +
        "reach it, so let that be a proxy that checks keys itself. With a key configured it does nothing."
    }),
    openMetrics: setting({
      env: "AUTH_OPEN_METRICS",
      type: Type.boolean,
      default: true,
      meaning:
        "Whether /metrics answers without a key. False asks for one that may read; a scraper then has to send it. On a port " +
        "of its own (METRICS_PORT) it never asks."
    })
  },
  docs: {
    enabled: setting({
      env: "ENABLE_DOCS",
      type: Type.boolean,
      default: true,
      meaning:
        "Whether /docs, /redoc and /openapi.json answer. They need no key, and tell strangers which routes there are."
    })
  },
  shutdown: {
    timeout: setting({
      env: "SHUTDOWN_TIMEOUT",
      type: Type.duration("seconds", Duration.hours(1)),
      default: Duration.seconds(30),
      unit: "s",
      meaning:
        "How long requests in flight may take to finish after SIGTERM, before they are cut off. A worker that computes on " +
        "then has as long again, at most 10 s. Keep the sum below what the process manager allows."
    }),
    drainDelay: setting({
      env: "DRAIN_DELAY",
      type: Type.duration("milliseconds", Duration.minutes(10)),
      default: Duration.millis(500),
      unit: "ms",
      meaning:
        "How long the server still accepts after SIGTERM while its readiness already fails, so that balancers see it " +
        "and send elsewhere. Make it longer than their probe interval."
    })
  }
}
