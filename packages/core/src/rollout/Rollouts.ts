/**
 * The rollouts of the models that are served: how each routes now, what was seen of it, and the controller that moves it on.
 *
 * Every process counts for itself and tells the store each second; every process reads what all of them counted and judges,
 * and whose decision is written first is the one that counts: the store takes a state only in place of the one it was
 * decided on.
 */
import { ChangeRefused, ModelNotFound, RevisionConflict } from "@sluice/domain/Errors"
import type { RolloutAction, RolloutDecision, RolloutStatus } from "@sluice/domain/RolloutStatus"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import { randomUUID } from "node:crypto"
import type { ModelEntry } from "../registry/RegistryEntry.ts"
import type { Routing } from "./Assignment.ts"
import { FollowedRollout, type RolloutPosition } from "./FollowedRollout.ts"
import { emptyCounts, mergeCounts } from "./RolloutCounts.ts"
import type { RolloutMonitor } from "./RolloutMonitor.ts"
import { type IdentityOf, planOf } from "./RolloutPlan.ts"
import { applyAction, applyVerdict, beginRollout, isAtLastStep, type RolloutState } from "./RolloutState.ts"
import { RolloutStore, type RolloutStoreError } from "./RolloutStore.ts"
import { judge } from "./RolloutVerdict.ts"

/** A decision that this process made, of its controller or of an operator that asked it. */
export interface DecidedRollout {
  readonly model: string
  readonly targetVersion: string
  readonly revision: number
  readonly decision: RolloutDecision
}

/** Milliseconds between two looks at the store, at most and at least; a tenth of the shortest interval between. */
const longestPeriodMs = 1_000
const shortestPeriodMs = 50
/** How long a new rollout waits for the store, and how often it asks: at start Redis may not be connected yet. */
const firstReadMs = 500
const readAgainMs = 20
/** How long the store may be away before the log says so. */
const toldAfterMs = 2_000

/** A model without a rollout that could move. */
interface Fixed {
  readonly status: RolloutStatus
  readonly routing: Routing
}

const fixedOf = ({ defaultVersion, name, rollout }: ModelEntry): Fixed => {
  const weights = rollout.type === "ab_test" ? rollout.weights : undefined
  return {
    routing: weights === undefined ? { type: "pinned" } : { type: "ab_test", weights },
    status: {
      model: name,
      type: weights === undefined ? "pinned" : "ab_test",
      phase: "running",
      default_version: defaultVersion,
      percentage: 0,
      ...(weights === undefined ? {} : { weights: Object.fromEntries(weights) }),
      revision: 0,
      decisions: []
    }
  }
}

export class Rollouts extends Context.Service<Rollouts, {
  /**
   * Takes the registry's models, at start and after each change: a rollout that is still the same goes on where it stands,
   * another one begins or is found in the store. It is another one, too, where a version that it compares is changed by
   * `identityOf`; left out, by its entry alone.
   */
  readonly configure: (models: ReadonlyArray<ModelEntry>, identityOf?: IdentityOf) => Effect.Effect<void>
  /** How requests without a version are routed now; undefined for a model that is not configured. */
  readonly routing: (model: string) => Routing | undefined
  /**
   * What counts the requests that begin now; undefined where no two versions are compared. A request is told to the monitor
   * that it began with: the next step has another.
   */
  readonly monitor: (model: string) => RolloutMonitor | undefined
  /** Of the rollouts that can move, as this process knows. */
  readonly positions: () => ReadonlyArray<RolloutPosition>
  readonly status: (model: string) => Effect.Effect<RolloutStatus, ModelNotFound>
  /** Does what an operator asks for, if the revision is the expected one where one is given. */
  readonly act: (
    model: string,
    action: RolloutAction,
    by: string,
    ifRevision: number | undefined
  ) => Effect.Effect<RolloutStatus, ModelNotFound | ChangeRefused | RevisionConflict>
  /** Calls the listener with each decision that this process makes, until the function that is returned is called. */
  readonly onDecision: (listener: (decided: DecidedRollout) => void) => () => void
}>()("sluice/core/Rollouts") {
  static readonly layer: Layer.Layer<Rollouts, never, RolloutStore> = Layer.effect(
    Rollouts,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function*() {
  const store = yield* RolloutStore
  const processId = randomUUID()
  /** One at a time may follow the store and change what is followed. */
  const turn = Semaphore.makeUnsafe(1)
  const followed = new Map<string, FollowedRollout>()
  const fixed = new Map<string, Fixed>()
  const listeners = new Set<(decided: DecidedRollout) => void>()

  let away: { readonly sinceMs: number; isTold: boolean } | undefined
  const lost = (error: RolloutStoreError) =>
    Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
      away ??= { sinceMs: nowMs, isTold: false }
      if (away.isTold || nowMs - away.sinceMs < toldAfterMs) return Effect.void
      away.isTold = true
      return Effect.logWarning(`rollouts go on as they are known, and nothing is decided: ${error.message}`)
    })
  const found = Effect.suspend(() => {
    const wasTold = away?.isTold === true
    away = undefined
    return wasTold ? Effect.logInfo("the store of rollouts answers again") : Effect.void
  })

  /** Brings a rollout in line with the store. Only a new one may take the place of another registry's. */
  const follow = Effect.fnUntraced(function*(rollout: FollowedRollout) {
    const { plan, standing } = rollout
    const stored = yield* store.read(plan.model)
    yield* found
    const isOurs = stored?.rolloutId === plan.rolloutId
    if (stored !== undefined && isOurs && (standing !== "kept" || stored.revision >= rollout.state.revision)) {
      if (standing !== "kept" || stored.revision > rollout.state.revision) rollout.adopt(stored)
      return
    }
    if (stored !== undefined && !isOurs && standing !== "unknown") {
      if (standing === "superseded") return
      rollout.supersede()
      return yield* Effect.logInfo(
        `"${plan.model}" is rolled out otherwise by a process with another registry: this one stays where it is`
      )
    }
    // Nothing is there, another rollout is, or an older state: the store lost what it was told.
    const state = standing === "unknown"
      ? beginRollout(plan, yield* Clock.currentTimeMillis, stored?.revision ?? 0)
      : rollout.state
    if (yield* store.write(plan.model, stored?.revision, state)) return rollout.adopt(state)
    const theirs = yield* store.read(plan.model)
    if (theirs?.rolloutId === plan.rolloutId) rollout.adopt(theirs)
  })

  const countsOf = ({ plan, state }: FollowedRollout) =>
    Effect.map(
      store.reports(plan.model, plan.rolloutId, state.step),
      (reports) => reports.reduce(mergeCounts, emptyCounts)
    )

  const report = ({ monitor, plan, state }: FollowedRollout) =>
    store.report(plan.model, plan.rolloutId, state.step, processId, monitor.counts())

  const announce = ({ plan: { model, targetVersion } }: FollowedRollout, { decisions, revision }: RolloutState) =>
    Effect.suspend(() => {
      const [decision] = decisions
      if (decision === undefined) return Effect.void
      for (const listener of listeners) listener({ model, targetVersion, revision, decision })
      const line = `rollout of ${model} to ${targetVersion}: ${decision.decision} by ${decision.by}, ` +
        `now ${decision.percentage} %: ${decision.reason}`
      return decision.decision === "roll_back" ? Effect.logWarning(line) : Effect.logInfo(line)
    })

  /** Whether the state was the first to follow the one that is known. */
  const commit = Effect.fnUntraced(function*(rollout: FollowedRollout, next: RolloutState) {
    if (!(yield* store.write(rollout.plan.model, rollout.state.revision, next))) return false
    rollout.adopt(next)
    yield* announce(rollout, next)
    return true
  })

  const step = Effect.fnUntraced(function*(rollout: FollowedRollout) {
    yield* follow(rollout)
    if (rollout.standing !== "kept") return
    yield* report(rollout)
    const { plan, state } = rollout
    if (plan.gates === undefined || state.phase !== "running") return
    const counts = yield* countsOf(rollout)
    const nowMs = yield* Clock.currentTimeMillis
    const verdict = judge({
      gates: plan.gates,
      counts,
      stepElapsedMs: Math.max(0, nowMs - state.stepStartedAt),
      atLastStep: isAtLastStep(plan, state),
      defaultAnswers: plan.type === "shadow" || state.percentage < 100
    })
    const next = applyVerdict(plan, state, verdict, rollout.evidence(counts), nowMs)
    if (next !== undefined && !(yield* commit(rollout, next))) yield* follow(rollout)
  })

  const period = Effect.sync(() => {
    let periodMs = longestPeriodMs
    for (const { plan } of followed.values()) {
      if (plan.gates !== undefined) periodMs = Math.min(periodMs, plan.gates.intervalMs / 10)
    }
    return Math.max(shortestPeriodMs, periodMs)
  })

  const lookAtAll = Effect.suspend(() =>
    Effect.forEach([...followed.values()], (rollout) => Effect.catch(step(rollout), lost), { discard: true })
  )
  yield* period.pipe(
    Effect.flatMap(Effect.sleep),
    Effect.andThen(Semaphore.withPermit(turn, lookAtAll)),
    // A fault of ours must not end the controller.
    Effect.catchDefect((defect) => Effect.logError("the controller of rollouts failed, and tries again", defect)),
    Effect.forever,
    Effect.forkScoped
  )

  const configure = Effect.fnUntraced(function*(models: ReadonlyArray<ModelEntry>, identityOf?: IdentityOf) {
    const nowMs = yield* Clock.currentTimeMillis
    for (const entry of models) {
      const plan = planOf(entry, identityOf)
      const known = followed.get(entry.name)
      if (plan === undefined) {
        fixed.set(entry.name, fixedOf(entry))
        followed.delete(entry.name)
      } else if (known?.plan.rolloutId === plan.rolloutId) {
        known.replan(plan)
      } else {
        const rollout = new FollowedRollout(plan, beginRollout(plan, nowMs, 0))
        yield* follow(rollout).pipe(
          Effect.retry({ schedule: Schedule.spaced(readAgainMs) }),
          Effect.timeoutOption(firstReadMs),
          // Without an answer the controller asks on.
          Effect.ignore
        )
        followed.set(entry.name, rollout)
        fixed.delete(entry.name)
      }
    }
    const names = new Set(models.map(({ name }) => name))
    for (const name of followed.keys()) if (!names.has(name)) followed.delete(name)
    for (const name of fixed.keys()) if (!names.has(name)) fixed.delete(name)
  })

  /** What this process counted where the store has no more to tell. */
  const statusOf = (rollout: FollowedRollout) =>
    Effect.andThen(report(rollout), countsOf(rollout)).pipe(
      Effect.catch((error) => Effect.as(lost(error), rollout.monitor.counts())),
      Effect.map((counts) => rollout.status(counts))
    )

  const status = Effect.fnUntraced(function*(model: string) {
    const known = fixed.get(model)
    if (known !== undefined) return known.status
    const rollout = followed.get(model)
    if (rollout === undefined) return yield* new ModelNotFound({ model })
    yield* Effect.catch(follow(rollout), lost)
    return yield* statusOf(rollout)
  })

  const act = Effect.fnUntraced(function*(
    model: string,
    action: RolloutAction,
    by: string,
    ifRevision: number | undefined
  ) {
    const known = fixed.get(model)
    if (known !== undefined) {
      const detail = `"${model}" has no rollout that moves, its strategy is ${known.status.type}: ` +
        "give it a canary or a shadow in the registry"
      return yield* new ChangeRefused({ detail })
    }
    const rollout = followed.get(model)
    if (rollout === undefined) return yield* new ModelNotFound({ model })
    // Each time around somebody else decided something; that many do so at once is no matter of trying again.
    for (let attempt = 0; attempt < 5; attempt++) {
      const { next } = yield* Effect.gen(function*() {
        yield* follow(rollout)
        const { revision } = rollout.state
        if (rollout.standing === "superseded") {
          const detail = `another process serves "${model}" by another registry: make the registries the same`
          return yield* new ChangeRefused({ detail })
        }
        if (ifRevision !== undefined && ifRevision !== revision) {
          return yield* new RevisionConflict({ current: `"${revision}"` })
        }
        const nowMs = yield* Clock.currentTimeMillis
        const next = yield* Effect.fromResult(applyAction(rollout.plan, rollout.state, action, by, nowMs))
        return { next: next === rollout.state || (yield* commit(rollout, next)) }
      }).pipe(
        Effect.catchTag("RolloutStoreError", (error) =>
          Effect.andThen(
            lost(error),
            Effect.fail(
              new ChangeRefused({
                detail: "the store of rollouts does not answer, so nothing was changed: try again when it is back"
              })
            )
          ))
      )
      if (next) return yield* statusOf(rollout)
    }
    return yield* new RevisionConflict({ current: `"${rollout.state.revision}"` })
  })

  return Rollouts.of({
    configure: (models, identityOf) => Semaphore.withPermit(turn, configure(models, identityOf)),
    routing: (model) => followed.get(model)?.routing ?? fixed.get(model)?.routing,
    monitor: (model) => followed.get(model)?.monitor,
    positions: () => Array.from(followed.values(), ({ position }) => position),
    status: (model) => Semaphore.withPermit(turn, status(model)),
    act: (model, action, by, ifRevision) => Semaphore.withPermit(turn, act(model, action, by, ifRevision)),
    onDecision: (listener) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    }
  })
})
