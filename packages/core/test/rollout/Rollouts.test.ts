import { assert, beforeEach, describe, it } from "@effect/vitest"
import type { ModelEntry } from "@sluice/core/registry/RegistryEntry"
import { assignVersion } from "@sluice/core/rollout/Assignment"
import type { OutputPair } from "@sluice/core/rollout/RolloutMonitor"
import { type DecidedRollout, Rollouts } from "@sluice/core/rollout/Rollouts"
import { RolloutStore, RolloutStoreError } from "@sluice/core/rollout/RolloutStore"
import { layerMemory } from "@sluice/core/rollout/RolloutStoreMemory"
import type { RolloutAction } from "@sluice/domain/RolloutStatus"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { registryOf } from "../registry/Registries.ts"
import { latencies, randomNumbers } from "./RandomNumbers.ts"

const strategy = {
  type: "canary",
  canary_percentage: 5,
  target_version: "v2",
  steps: [5, 25, 50, 100],
  analysis: { max_error_rate: 0.01, max_p99_ratio: 1.5, min_agreement: 0.95, min_requests: 100, interval: 30 }
}
const modelsWith = (rollout: object | undefined): ReadonlyArray<ModelEntry> =>
  registryOf({
    m: {
      default_version: "v1",
      versions: { v1: { path: "x" }, v2: { path: "y" } },
      ...(rollout === undefined ? {} : { rollout_strategy: rollout })
    }
  }).models
const canary = (changes: object = {}) => modelsWith({ ...strategy, ...changes })
const byHand = canary({ analysis: undefined })

/** The rollouts of one process, on the store of the test. They end with the scope. */
const process = (models: ReadonlyArray<ModelEntry> = canary()) =>
  Effect.gen(function*() {
    const rollouts = yield* Rollouts
    const decided: Array<DecidedRollout> = []
    rollouts.onDecision((each) => decided.push(each))
    yield* rollouts.configure(models)
    return { rollouts, decided }
  }).pipe((built) =>
    Effect.flatMap(Layer.build(Layer.fresh(Rollouts.layer)), (context) => Effect.provide(built, context))
  )
type Process = Effect.Success<ReturnType<typeof process>>

interface Target {
  readonly errorRate?: number
  readonly slower?: number
  readonly disagreement?: number
}

const answer = (prediction: string) => ({ outputs: {}, prediction: { prediction } })
const pair = (agrees: boolean): OutputPair => ({
  default: answer("a"),
  target: answer(agrees ? "a" : "b"),
  input: { _tag: "Text", text: "what was asked" }
})

let random = randomNumbers(11)
beforeEach(() => {
  random = randomNumbers(11)
})

/** A second of 200 requests, spread over the processes as a load balancer would. */
const serveSecond = (processes: ReadonlyArray<Process>, { disagreement = 0, errorRate = 0, slower = 1 }: Target) => {
  const ofDefault = latencies(random, 0.5)
  const ofTarget = latencies(random, 0.5, slower)
  for (let request = 0; request < 200; request++) {
    const { rollouts } = processes[request % processes.length]!
    const monitor = rollouts.monitor("m")
    const routing = rollouts.routing("m")
    if (monitor === undefined || routing === undefined) continue
    const answersByTarget = assignVersion("m", "v1", routing, `${random()}`) === "v2"
    const isCopied = routing.type === "shadow" && random() * 100 < routing.percentage
    if (!answersByTarget) monitor.record("default", ofDefault(), false)
    if (answersByTarget || isCopied) {
      monitor.record("target", ofTarget(), random() < errorRate)
      monitor.compare(pair(random() >= disagreement))
    }
  }
}

const serve = (processes: ReadonlyArray<Process>, seconds: number, target: Target = {}) =>
  Effect.suspend(() => {
    serveSecond(processes, target)
    return TestClock.adjust("1 second")
  }).pipe(Effect.repeat(Schedule.recurs(seconds - 1)))

const standing = ({ rollouts }: Process) =>
  Effect.map(rollouts.status("m"), ({ percentage, phase }) => `${phase} ${percentage}`)

const recorder = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([Logger.make<unknown, void>(({ message }) => {
    lines.push(String(message))
  })])
  return { lines, layer }
}
const quiet = Logger.layer([])
const test = (name: string, body: Effect.Effect<void, unknown, RolloutStore | Scope.Scope>) =>
  it.effect(name, () => body.pipe(Effect.scoped, Effect.provide([Layer.fresh(layerMemory), quiet])))

describe("Rollouts", () => {
  test(
    "takes a good target through its steps to all traffic, an interval each",
    Effect.gen(function*() {
      const one = yield* process()
      const path: Array<string> = []
      for (let second = 0; second < 140; second++) {
        const now = yield* standing(one)
        if (path.at(-1) !== now) path.push(now)
        yield* serve([one], 1, { errorRate: 0.001, disagreement: 0.01 })
      }
      assert.deepStrictEqual(path, ["running 5", "running 25", "running 50", "running 100", "promoted 100"])
      assert.deepStrictEqual(one.decided.map(({ decision }) => [decision.decision, decision.by, decision.percentage]), [
        ["advance", "controller", 25],
        ["advance", "controller", 50],
        ["advance", "controller", 100],
        ["promote", "controller", 100]
      ])
      const { decision } = one.decided[0]!
      assert.isAtLeast(decision.target?.requests ?? 0, 100)
      assert.isAtLeast(decision.comparison?.items ?? 0, 100)
      assert.deepStrictEqual(one.rollouts.routing("m"), { type: "canary", targetVersion: "v2", percentage: 100 })
    })
  )

  for (
    const [name, target] of [
      ["fails 5 % of its requests", { errorRate: 0.05 }],
      ["is three times slower", { slower: 3 }],
      ["answers 20 % otherwise", { disagreement: 0.2 }]
    ] as const
  ) {
    test(
      `sends all traffic back from a target that ${name}, within the interval`,
      Effect.gen(function*() {
        const one = yield* process(canary({ canary_percentage: 10 }))
        yield* serve([one], 30, target)
        assert.strictEqual(yield* standing(one), "rolled_back 0")
        assert.deepStrictEqual(one.decided.map(({ decision }) => decision.decision), ["roll_back"])
        assert.isDefined(one.decided[0]?.decision.target)
        assert.strictEqual(assignVersion("m", "v1", one.rollouts.routing("m")!, "anyone"), "v1")
        yield* serve([one], 60)
        assert.strictEqual(yield* standing(one), "rolled_back 0", "it stays so")
      })
    )
  }

  test(
    "decides nothing on too few requests, however long it waits",
    Effect.gen(function*() {
      const one = yield* process()
      for (let request = 0; request < 99; request++) one.rollouts.monitor("m")?.record("target", 1_000, true)
      yield* TestClock.adjust("20 minutes")
      assert.strictEqual(yield* standing(one), "running 5")
    })
  )

  test(
    "decides nothing while it is paused, goes on counting, and decides when it is resumed",
    Effect.gen(function*() {
      const one = yield* process()
      yield* one.rollouts.act("m", { action: "pause" }, "alice", undefined)
      yield* serve([one], 40, { errorRate: 0.5 })
      assert.strictEqual(yield* standing(one), "paused 5")
      yield* one.rollouts.act("m", { action: "resume" }, "alice", undefined)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* standing(one), "rolled_back 0")
    })
  )

  test(
    "moves by hand only where no analysis is asked for, and counts all the same",
    Effect.gen(function*() {
      const one = yield* process(byHand)
      yield* serve([one], 100, { errorRate: 1 })
      assert.strictEqual(yield* standing(one), "running 5")
      const { target } = yield* one.rollouts.status("m")
      assert.isAbove(target?.errors ?? 0, 500)
      yield* one.rollouts.act("m", { action: "set_percentage", percentage: 40 }, "alice", undefined)
      assert.deepStrictEqual(one.rollouts.routing("m"), { type: "canary", targetVersion: "v2", percentage: 40 })
      assert.strictEqual((yield* one.rollouts.status("m")).target?.requests, 0, "the next step is counted anew")
    })
  )

  test(
    "lets a shadow pass that met its gates",
    Effect.gen(function*() {
      const one = yield* process(canary({ type: "shadow", shadow_percentage: 10, steps: undefined }))
      yield* serve([one], 40)
      assert.strictEqual(yield* standing(one), "passed 10")
      assert.deepStrictEqual(one.rollouts.routing("m"), { type: "shadow", targetVersion: "v2", percentage: 10 })
    })
  )

  test(
    "goes on where it stood after a restart, and another process stands there too",
    Effect.gen(function*() {
      const before = yield* Effect.scoped(Effect.gen(function*() {
        const one = yield* process()
        yield* serve([one], 45)
        return yield* one.rollouts.status("m")
      }))
      assert.strictEqual(before.percentage, 25)
      const after = yield* process()
      const status = yield* after.rollouts.status("m")
      assert.deepInclude(status, { percentage: 25, phase: "running", revision: before.revision })
      assert.deepStrictEqual(status.target, before.target, "what was counted before counts")
      assert.deepStrictEqual(after.rollouts.routing("m"), { type: "canary", targetVersion: "v2", percentage: 25 })
    })
  )

  test(
    "makes each decision once with several processes, on what all of them saw",
    Effect.gen(function*() {
      const processes = [yield* process(), yield* process(), yield* process()]
      yield* serve(processes, 150)
      for (const each of processes) assert.strictEqual(yield* standing(each), "promoted 100")
      const decided = processes.flatMap(({ decided }) => decided)
      assert.sameMembers(decided.map(({ decision }) => `${decision.decision} ${decision.percentage}`), [
        "advance 25",
        "advance 50",
        "advance 100",
        "promote 100"
      ])
      const first = decided.find(({ decision }) => decision.percentage === 25)!.decision
      // 200 a second for 30 s, of which no process saw more than a third.
      assert.isAbove((first.default?.requests ?? 0) + (first.target?.requests ?? 0), 5_000)
    })
  )

  test(
    "tells the other processes of an operator's action within two seconds",
    Effect.gen(function*() {
      const one = yield* process(byHand)
      const other = yield* process(byHand)
      yield* one.rollouts.act("m", { action: "rollback" }, "alice", undefined)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(other.rollouts.routing("m"), { type: "canary", targetVersion: "v2", percentage: 0 })
      assert.deepStrictEqual(one.decided.map(({ decision }) => [decision.by, decision.decision]), [[
        "alice",
        "roll_back"
      ]])
      assert.deepStrictEqual(other.decided, [], "an audit log has it once")
    })
  )

  test(
    "acts on the expected revision only, and asked twice acts once",
    Effect.gen(function*() {
      const one = yield* process(byHand)
      const other = yield* process(byHand)
      const { revision } = yield* one.rollouts.status("m")
      const pause: RolloutAction = { action: "pause" }
      const paused = yield* one.rollouts.act("m", pause, "alice", revision)
      assert.strictEqual(paused.revision, revision + 1)
      const late = yield* Effect.flip(other.rollouts.act("m", { action: "promote" }, "bob", revision))
      assert.deepInclude(late, { _tag: "RevisionConflict", current: `"${revision + 1}"` })
      assert.strictEqual((yield* other.rollouts.act("m", pause, "bob", undefined)).revision, revision + 1)
      assert.lengthOf((yield* other.rollouts.status("m")).decisions, 1)
    })
  )

  test(
    "refuses what makes no sense, and knows no model that is not configured",
    Effect.gen(function*() {
      const one = yield* process(byHand)
      const act = (action: RolloutAction) => one.rollouts.act("m", action, "alice", undefined)
      yield* act({ action: "rollback" })
      assert.strictEqual((yield* Effect.flip(act({ action: "promote" })))._tag, "ChangeRefused")
      assert.strictEqual((yield* Effect.flip(one.rollouts.status("none")))._tag, "ModelNotFound")
      assert.isUndefined(one.rollouts.routing("none"))
      yield* one.rollouts.configure(modelsWith(undefined))
      const refused = yield* Effect.flip(act({ action: "pause" }))
      assert.include(refused.message, "its strategy is pinned")
    })
  )

  test(
    "follows an operator's edit of the registry: other gates go on, another percentage begins anew",
    Effect.gen(function*() {
      const one = yield* process()
      yield* serve([one], 40)
      const { revision } = yield* one.rollouts.status("m")
      yield* one.rollouts.configure(canary({ analysis: { max_error_rate: 0.5 } }))
      assert.strictEqual(yield* standing(one), "running 25")
      yield* one.rollouts.configure(canary({ canary_percentage: 15 }))
      const anew = yield* one.rollouts.status("m")
      assert.deepInclude(anew, { phase: "running", percentage: 15, decisions: [] })
      assert.isAbove(anew.revision, revision)
      yield* one.rollouts.configure([])
      assert.isUndefined(one.rollouts.routing("m"))
      assert.isUndefined(one.rollouts.monitor("m"))
    })
  )

  test(
    "routes models without a canary or a shadow by their strategy, and compares nothing there",
    Effect.gen(function*() {
      const one = yield* process(modelsWith(undefined))
      assert.deepStrictEqual(one.rollouts.routing("m"), { type: "pinned" })
      assert.isUndefined(one.rollouts.monitor("m"))
      yield* one.rollouts.configure(modelsWith({ type: "ab_test", weights: { v1: 30, v2: 70 } }))
      const routing = one.rollouts.routing("m")
      assert.deepStrictEqual(routing?.type === "ab_test" && [...routing.weights], [["v1", 30], ["v2", 70]])
      assert.isUndefined(one.rollouts.monitor("m"))
      assert.deepInclude(yield* one.rollouts.status("m"), { type: "ab_test", weights: { v1: 30, v2: 70 } })
    })
  )

  test(
    "lets a process with another registry neither decide nor begin again and again",
    Effect.gen(function*() {
      const former = yield* process(canary({ canary_percentage: 5 }))
      const newer = yield* process(canary({ canary_percentage: 15 }))
      yield* serve([former, newer], 20)
      assert.strictEqual(yield* standing(newer), "running 15")
      assert.strictEqual(former.rollouts.routing("m")?.type, "canary")
      const refused = yield* Effect.flip(former.rollouts.act("m", { action: "pause" }, "alice", undefined))
      assert.strictEqual(refused._tag, "ChangeRefused")
      yield* former.rollouts.configure(canary({ canary_percentage: 15 }))
      const [a, b] = [yield* former.rollouts.status("m"), yield* newer.rollouts.status("m")]
      assert.strictEqual(a.revision, b.revision)
    })
  )
})

describe("Rollouts without their store", () => {
  /** A store that can be away, over one in memory. */
  const unsteady = (isAway: () => boolean) =>
    Layer.effect(
      RolloutStore,
      Effect.map(RolloutStore, (store) => {
        const unless =
          (operation: RolloutStoreError["operation"]) => <A>(effect: Effect.Effect<A, RolloutStoreError>) =>
            Effect.suspend(() =>
              isAway() ? Effect.fail(new RolloutStoreError({ operation, cause: new Error("gone") })) : effect
            )
        return RolloutStore.of({
          read: (...args) => unless("read")(store.read(...args)),
          write: (...args) => unless("write")(store.write(...args)),
          report: (...args) => unless("report")(store.report(...args)),
          reports: (...args) => unless("reports")(store.reports(...args))
        })
      })
    ).pipe(Layer.provide(Layer.fresh(layerMemory)))

  it.effect("go on as they were known, decide nothing, say so once, and go on deciding when it is back", () => {
    let isAway = false
    const { layer, lines } = recorder()
    return Effect.gen(function*() {
      const one = yield* process(canary({ canary_percentage: 10 }))
      yield* serve([one], 10)
      isAway = true
      yield* serve([one], 40, { errorRate: 0.2 })
      assert.deepStrictEqual(one.rollouts.routing("m"), { type: "canary", targetVersion: "v2", percentage: 10 })
      assert.strictEqual(yield* standing(one), "running 10")
      const refused = yield* Effect.flip(one.rollouts.act("m", { action: "promote" }, "alice", undefined))
      assert.include(refused.message, "nothing was changed")
      assert.lengthOf(lines, 1)
      isAway = false
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* standing(one), "rolled_back 0")
      assert.include(lines[1], "answers again")
    }).pipe(Effect.scoped, Effect.provide([unsteady(() => isAway), layer]))
  })

  it.effect("wait a moment at start for a store that is about to come", () => {
    let isAway = true
    const { layer, lines } = recorder()
    return Effect.gen(function*() {
      const starting = yield* Effect.forkChild(process(byHand), { startImmediately: true })
      yield* TestClock.adjust("100 millis")
      isAway = false
      yield* TestClock.adjust("100 millis")
      const one = yield* Fiber.join(starting)
      assert.deepStrictEqual(one.rollouts.routing("m"), { type: "canary", targetVersion: "v2", percentage: 5 })
      assert.deepStrictEqual(lines, [])
    }).pipe(Effect.scoped, Effect.provide([unsteady(() => isAway), layer]))
  })

  it.effect("send no traffic to a target of which it is not known whether it was rolled back", () => {
    let isAway = false
    return Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const before = yield* process(byHand)
        yield* before.rollouts.act("m", { action: "rollback" }, "alice", undefined)
      }))
      isAway = true
      const starting = yield* Effect.forkChild(process(byHand), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      const after = yield* Fiber.join(starting)
      assert.deepStrictEqual(after.rollouts.routing("m"), { type: "pinned" })
      isAway = false
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* standing(after), "rolled_back 0")
    }).pipe(Effect.scoped, Effect.provide([unsteady(() => isAway), quiet]))
  })
})
