/**
 * Settings of models: where they lie, how they are laid out, batched and left alone.
 */
import { Device, Precision } from "@sluice/domain/ModelInfo"
import * as Duration from "effect/Duration"
import { setting } from "./Setting.ts"
import * as Type from "./SettingType.ts"

const mebibyte = 1024 * 1024

export const modelSettings = {
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
