import { assert, describe, it } from "@effect/vitest"
import { Inference } from "@sluice/core/Inference"
import type { Answered, InferRequest } from "@sluice/core/InferRequest"
import type { Limits } from "@sluice/core/limits/Limits"
import { RateLimits } from "@sluice/core/limits/RateLimits"
import { RateLimitStore } from "@sluice/core/limits/RateLimitStore"
import { memoryStore } from "@sluice/core/limits/RateLimitStoreMemory"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import { InternalError, ModelNotFound } from "@sluice/domain/Errors"
import { type GuardedAnswer, GuardedInference } from "@sluice/server/access/GuardedInference"
import { anonymous, type Principal } from "@sluice/server/access/Principal"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"

const request: InferRequest = {
  model: undefined,
  version: undefined,
  routingKey: "caller",
  input: { _tag: "Items", items: [{ _tag: "Text", text: "fine" }] },
  cache: "bypass",
  priority: "normal",
  timeoutMs: undefined
}

const holder = (limits: Limits): Principal => ({ ...anonymous, id: "ann", limits })
const failed: Answered = Result.fail(new InternalError())

/** A pipeline that answers when it is told to, behind the guard, and a store of limits that may be held up. */
const setUp = (options: { readonly holdsStore?: boolean } = {}) => {
  const started: Array<(answered: Answered) => void> = []
  const left: Array<number> = []
  const heldUp: Array<() => void> = []
  const store = memoryStore(() => 0)
  const start = (_: InferRequest, answer: (answered: Answered) => void) => {
    const place = started.push(answer) - 1
    return () => {
      left.push(place)
    }
  }
  const layer = GuardedInference.layer.pipe(
    Layer.provide([
      Layer.mock(Inference, {
        start,
        infer: (request) =>
          Effect.callback((resume) => Effect.sync(start(request, (answered) => resume(Effect.fromResult(answered)))))
      }),
      Layer.mock(ModelRegistry, {
        defaultModel: () => "m",
        limits: () => undefined,
        entry: () => undefined,
        served: () => undefined,
        choose: () => Result.fail(new ModelNotFound({ model: "m" })),
        demand: () => undefined,
        byPath: () => undefined,
        notices: () => []
      }),
      RateLimits.layer({ global: undefined, perKey: undefined, fail: "local", bypass: false })
    ]),
    Layer.provide(Layer.succeed(RateLimitStore, {
      take: (takes, lease, answer) => {
        if (options.holdsStore === true) heldUp.push(() => store.take(takes, lease, answer))
        else store.take(takes, lease, answer)
      },
      release: store.release,
      renew: store.renew
    })),
    Layer.provide(Metrics.layer({ enabled: false }))
  )
  const run = (body: (guard: GuardedInference["Service"]) => Effect.Effect<void>) =>
    Effect.provide(Effect.flatMap(GuardedInference, body), layer)
  return { heldUp, left, run, started }
}

const one = holder({ concurrent: 1 })

describe("GuardedInference", () => {
  it.effect("answers at once, without headers, where nothing is limited", () => {
    const { run, started } = setUp()
    return run((guard) =>
      Effect.sync(() => {
        const answers: Array<GuardedAnswer> = []
        guard.start(anonymous, request, (answer) => answers.push(answer))
        started[0]?.(failed)
        assert.deepStrictEqual(answers, [{ answered: failed, headers: {} }])
      })
    )
  })

  it.effect("refuses in the same turn what does not fit, without asking the pipeline", () => {
    const { run, started } = setUp()
    return run((guard) =>
      Effect.sync(() => {
        const answers: Array<GuardedAnswer> = []
        guard.start(one, request, () => {})
        guard.start(one, request, (answer) => answers.push(answer))
        const [answer] = answers
        assert.strictEqual(answer && Result.isFailure(answer.answered) && answer.answered.failure._tag, "RateLimited")
        assert.strictEqual(started.length, 1)
      })
    )
  })

  it.effect("gives a slot back when the call is answered, and when its caller leaves", () => {
    const { left, run, started } = setUp()
    return run((guard) =>
      Effect.sync(() => {
        guard.start(one, request, () => {})
        started[0]?.(failed)
        const leave = guard.start(one, request, () => {})
        assert.strictEqual(started.length, 2)
        leave()
        leave()
        assert.deepStrictEqual(left, [1])
        guard.start(one, request, () => {})
        assert.strictEqual(started.length, 3)
      })
    )
  })

  it.effect("starts nothing for a caller who left while the store was asked, and holds no slot", () => {
    const { heldUp, run, started } = setUp({ holdsStore: true })
    return run((guard) =>
      Effect.sync(() => {
        guard.start(one, request, () => {})()
        heldUp.shift()?.()
        assert.strictEqual(started.length, 0)
        guard.start(one, request, () => {})
        heldUp.shift()?.()
        assert.strictEqual(started.length, 1)
      })
    )
  })

  it.effect("gives a slot back when the fiber of a call is interrupted", () => {
    const { left, run, started } = setUp()
    return run((guard) =>
      Effect.gen(function*() {
        const call = yield* Effect.forkChild(guard.infer(one, request), { startImmediately: true })
        assert.strictEqual(started.length, 1)
        yield* Fiber.interrupt(call)
        assert.deepStrictEqual(left, [0])
        yield* Effect.forkChild(guard.infer(one, request), { startImmediately: true })
        assert.strictEqual(started.length, 2)
      })
    )
  })
})
