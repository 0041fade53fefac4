/**
 * Every setting, once: the configuration's type, `sluice config` and the reference page are all made from this.
 */
import { Device, Precision } from "@sluice/domain/ModelInfo"
import * as Duration from "effect/Duration"
import { rateLimitSettings } from "./RateLimitSettings.ts"
import { setting, type ValuesOf } from "./Setting.ts"
import * as Type from "./SettingType.ts"

const mebibyte = 1024 * 1024
const host = Type.text("a host name or an IP address", /^[A-Za-z0-9._:-]+$/)

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
  plugins: setting({
    env: "SLUICE_PLUGINS",
    type: Type.modules,
    default: ["@sluice/plugin-text", "@sluice/plugin-sklearn-onnx", "@sluice/plugin-onnx"],
    meaning:
      "The plugins that may serve models, by package name or by path. A model that names no plugin is served by the " +
      "first in this list that recognises its files, so the most particular come first."
  }),
  models: {
    registry: setting({
      env: "MODEL_REGISTRY",
      type: Type.path,
      default: "config/model_registry.yaml",
      meaning: "The file that lists the models. Model paths in it count from its own directory."
    }),
    store: setting({
      env: "SLUICE_MODEL_STORE",
      type: Type.optional(Type.path),
      default: undefined,
      meaning:
        "The folder that `sluice models pull` keeps models in. Registry entries written by `sluice models add` name files " +
        "there: move it along with them. Unset is sluice/models in XDG_CACHE_HOME, else in ~/.cache."
    }),
    cacheSize: setting({
      env: "MODEL_CACHE_SIZE",
      type: Type.optional(Type.integer(1, 100_000)),
      default: undefined,
      unit: "versions",
      meaning:
        "How many model versions stay loaded. Fewer save memory, but a version that was put away must be loaded " +
        "again before it answers, which its callers wait for. Those with keep_loaded stay in any case. Unset keeps all."
    }),
    memoryBudget: setting({
      env: "MODEL_MEMORY_BUDGET",
      type: Type.optional(Type.bytes(mebibyte, 1024 * 1024 * mebibyte)),
      default: undefined,
      unit: "bytes",
      meaning:
        "How much the loaded versions may hold, by the size of their files for each copy in memory; the least recently " +
        "used idle ones are put away beyond that, and loaded again when they are asked for. Unset sets no limit."
    }),
    precision: setting({
      env: "PRECISION",
      type: Type.optional(Type.choice(Precision.literals)),
      default: undefined,
      meaning:
        "Serve every model in this precision if it has such a file; those that have none keep their own and are " +
        "named at start. int8 is smallest and fastest on CPUs at some loss of accuracy, fp16 suits GPUs. Unset serves " +
        "each in its own."
    }),
    device: setting({
      env: "DEVICE",
      type: Type.choice(Device.literals),
      default: "cpu",
      meaning:
        "Where models run, unless the registry says otherwise of one. On a device that the runtime lacks a version fails " +
        "to load, and says so in the log and in /models; it never falls back to the CPU in silence."
    })
  },
  batching: {
    maxBatchSize: setting({
      env: "BATCH_SIZE",
      type: Type.optional(Type.integer(1, 65_536)),
      default: undefined,
      unit: "items",
      meaning:
        "The most items computed at once. More raise throughput on GPUs and for tiny models; on a CPU they make " +
        "each text of a batch wait for the others. Unset leaves it to each plugin."
    }),
    window: setting({
      env: "BATCH_WINDOW",
      type: Type.duration("milliseconds", Duration.seconds(60)),
      default: Duration.zero,
      unit: "ms",
      meaning:
        "How long a batch may wait for more items. 0 starts as soon as an instance is idle and collects only while " +
        "all are busy; more fills batches at the price of that much latency for a lone request."
    }),
    queueCapacity: setting({
      env: "QUEUE_CAPACITY",
      type: Type.integer(1, 1_000_000),
      default: 1024,
      unit: "items",
      meaning:
        "How many items may wait for each model version; a request counts for one batch at most, so that a large one " +
        "leaves room for others. More absorb longer bursts, and their callers wait longer; " +
        "what does not fit is refused at once with 503."
    })
  },
  execution: {
    inlineBound: setting({
      env: "INLINE_BOUND",
      type: Type.duration("milliseconds", Duration.millis(10)),
      default: Duration.millis(0.1),
      unit: "ms",
      meaning:
        "A CPU model that computes one row in less than this runs on the server's event loop, which saves the way to a " +
        "worker. More moves larger models there, and every other request waits while they compute; 0 keeps all in workers."
    }),
    cacheDirectory: setting({
      env: "SLUICE_CACHE_DIR",
      type: Type.optional(Type.path),
      default: undefined,
      meaning:
        "The folder where measurements of models are kept between starts, for optimize_for in the registry. Unset is " +
        "sluice in XDG_CACHE_HOME, else in ~/.cache. Losing it costs a measurement."
    })
  },
  state: {
    directory: setting({
      env: "SLUICE_STATE_DIR",
      type: Type.optional(Type.path),
      default: undefined,
      meaning:
        "The folder where the server keeps the registry that served last, and how far rollouts have come, unless there " +
        "is Redis. Unset is sluice in XDG_STATE_HOME, else in ~/.local/state. Losing it begins every rollout anew, and " +
        "leaves a start whose registry file is wrong nothing to go on with."
    })
  },
  cache: {
    enabled: setting({
      env: "CACHE_ENABLED",
      type: Type.boolean,
      default: true,
      meaning: "Whether answers are kept and given again for the same item. Off computes every request anew."
    }),
    ttl: setting({
      env: "REDIS_CACHE_TTL",
      type: Type.duration("seconds", Duration.days(365)),
      default: Duration.hours(1),
      unit: "s",
      meaning:
        "How long an answer is kept, in memory and in Redis. Longer hits more often and holds more memory; a new " +
        "version of a model never sees the old one's answers, whatever this is."
    }),
    maxBytes: setting({
      env: "CACHE_MAX_BYTES",
      type: Type.bytes(0, 1024 * 1024 * mebibyte),
      default: 64 * mebibyte,
      unit: "bytes",
      meaning:
        "How much memory the answers kept in this process may take; the least recently used go first. With Redis it is " +
        "the tier in front: more answers without a way to Redis, 0 asks Redis each time."
    }),
    timeBudget: setting({
      env: "CACHE_TIME_BUDGET",
      type: Type.duration("milliseconds", Duration.seconds(60)),
      default: Duration.millis(50),
      unit: "ms",
      meaning:
        "How long a request waits for Redis before it computes without. Less bounds the harm of a slow Redis; too " +
        "little misses answers that it has."
    })
  },
  redis: {
    url: setting({
      env: "REDIS_URL",
      type: Type.optional(Type.redisUrl),
      default: undefined,
      meaning:
        "The Redis that keeps answers for several servers and across restarts, with user and password if it wants " +
        "them; rediss:// uses TLS. Unset, with redis.host unset too, keeps answers in this process only."
    }),
    host: setting({
      env: "REDIS_HOST",
      type: Type.optional(host),
      default: undefined,
      meaning: "The Redis server's host, where redis.url is not set."
    }),
    port: setting({
      env: "REDIS_PORT",
      type: Type.integer(1, 65_535),
      default: 6379,
      meaning: "The Redis server's port, beside redis.host."
    }),
    db: setting({
      env: "REDIS_DB",
      type: Type.integer(0, 1_000_000),
      default: 0,
      meaning: "The number of the Redis database, beside redis.host. Another number keeps two installations apart."
    }),
    ca: setting({
      env: "REDIS_CA",
      type: Type.optional(Type.path),
      default: undefined,
      meaning:
        "The certificates, in PEM, of who may sign the Redis server's own. It needs a rediss:// URL. Unset trusts those that " +
        "Node trusts; a certificate of nobody trusted is refused in any case."
    }),
    cert: setting({
      env: "REDIS_CERT",
      type: Type.optional(Type.path),
      default: undefined,
      meaning:
        "The certificate, in PEM, that this server shows to a Redis that asks its clients for one; with redis.key."
    }),
    key: setting({
      env: "REDIS_KEY",
      type: Type.optional(Type.path),
      default: undefined,
      meaning: "The private key of redis.cert, in PEM."
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
  rateLimits: rateLimitSettings,
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
  },
  breaker: {
    policy: setting({
      env: "BREAKER_POLICY",
      type: Type.choice(["consecutive", "rate"]),
      default: "consecutive",
      meaning:
        "When a model version is not called for a while: after breaker.failures in a row, or at a share of failures among " +
        "its last calls. rate also finds a version that fails now and then, and costs each call 0.1 ms, as it counts successes."
    }),
    failures: setting({
      env: "BREAKER_FAILURES",
      type: Type.integer(1, 1_000_000),
      default: 5,
      unit: "failures",
      meaning:
        "After how many failures in a row a model version is not called for a while, by the policy consecutive. Fewer react " +
        "sooner, and also to bad luck."
    }),
    rateThreshold: setting({
      env: "BREAKER_RATE_THRESHOLD",
      type: Type.fraction,
      default: 0.5,
      meaning:
        "The share of a version's last calls that may fail, by the policy rate: at this share it is not called for a while. " +
        "Less reacts sooner, and also to bad luck."
    }),
    windowCalls: setting({
      env: "BREAKER_WINDOW_CALLS",
      type: Type.integer(1, 100_000),
      default: 100,
      unit: "calls",
      meaning: "How many of the last calls the policy rate looks at. More judge better, and forget a bad time later."
    }),
    minimumCalls: setting({
      env: "BREAKER_MINIMUM_CALLS",
      type: Type.integer(1, 100_000),
      default: 20,
      unit: "calls",
      meaning:
        "How many calls the policy rate needs before it judges; breaker.window_calls are enough in any case. Fewer judge " +
        "sooner, after a start too."
    }),
    openDuration: setting({
      env: "BREAKER_OPEN_DURATION",
      type: Type.duration("seconds", Duration.hours(1)),
      default: Duration.seconds(10),
      unit: "s",
      meaning:
        "How long such a version is left alone, its callers getting 503 or what the registry has in its place, before one " +
        "request tries it again. Less finds sooner that it is well, and lets more calls fail while it is not."
    })
  }
}

/** The value of every setting, by section and name. */
export type Settings = ValuesOf<typeof settingDefinitions>
