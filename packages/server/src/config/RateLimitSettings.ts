/**
 * The settings of rate limits: of the whole server, and of keys without limits of their own.
 */
import { failModes } from "@sluice/core/limits/Limits"
import * as Duration from "effect/Duration"
import { setting } from "./Setting.ts"
import * as Type from "./SettingType.ts"

/** So many in a time, of the whole server or of a key. */
const limit = (env: string, meaning: string) =>
  setting({ env, type: Type.optional(Type.rate), default: undefined, meaning })
const limitOfCalls = (env: string, meaning: string) =>
  setting({ env, type: Type.optional(Type.integer(1, 1_000_000)), default: undefined, unit: "calls", meaning })

export const rateLimitSettings = {
  requests: limit(
    "RATE_LIMIT_REQUESTS",
    "The most calls of models that all callers together may make in any stretch of that time, such as 1000/s; what is " +
      "above gets 429 with Retry-After. Less protects the models sooner. Unset sets no limit."
  ),
  items: limit(
    "RATE_LIMIT_ITEMS",
    "The same for the items of those calls: texts, rows, records. It bounds large requests, which count once above; a " +
      "request of more items than this gets 422. Unset sets no limit."
  ),
  tokens: limit(
    "RATE_LIMIT_TOKENS",
    "The same for what computed items cost: tokens of text, 1 a row. They are counted when they are answered, so calls " +
      "under way may go beyond it; the next wait the longer. Answers from the cache cost none. Unset sets no limit."
  ),
  concurrent: limitOfCalls(
    "RATE_LIMIT_CONCURRENT",
    "The most calls of models under way at one moment. Less keeps queues short and refuses more. Unset sets no limit."
  ),
  perKey: {
    requests: limit(
      "RATE_LIMIT_PER_KEY_REQUESTS",
      "The most calls of one key, where the key has no limits of its own; all callers without a key count as one. Less " +
        "shares the server out more evenly. Unset sets no limit."
    ),
    items: limit("RATE_LIMIT_PER_KEY_ITEMS", "The same for the items of those calls. Unset sets no limit."),
    tokens: limit("RATE_LIMIT_PER_KEY_TOKENS", "The same for what computed items cost. Unset sets no limit."),
    concurrent: limitOfCalls(
      "RATE_LIMIT_PER_KEY_CONCURRENT",
      "The most calls of one key under way at one moment. Less leaves more room for others. Unset sets no limit."
    )
  },
  fail: setting({
    env: "RATE_LIMIT_FAIL",
    type: Type.choice(failModes),
    default: "local",
    meaning:
      "What becomes of limited calls while Redis does not answer: local counts in each process by the same limits, so " +
      "that n processes let through up to n times as much; open lets all through; closed refuses all with 503."
  }),
  timeBudget: setting({
    env: "RATE_LIMIT_TIME_BUDGET",
    type: Type.duration("milliseconds", Duration.seconds(10), Duration.millis(1)),
    default: Duration.millis(50),
    unit: "ms",
    meaning:
      "How long a limited call waits for Redis before rate_limits.fail decides; for the second after that Redis is not " +
      "asked. Less bounds the harm of a slow Redis; too little gives up a limit that all processes share."
  }),
  bypass: setting({
    env: "BYPASS_RATE_LIMITS",
    type: Type.boolean,
    default: false,
    meaning: "Whether every limit is lifted, whatever is configured: for tests and emergencies."
  })
}
