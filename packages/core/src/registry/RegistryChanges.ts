/**
 * How a registry takes the place of the one that is served: planned whole before anything changes, then model by model, in
 * the background.
 */
import { modelId } from "@sluice/domain/Ids"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Batcher } from "../batching/Batcher.ts"
import type { ModelHost } from "../execution/ModelHost.ts"
import { Rollouts } from "../rollout/Rollouts.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import type { PlanTuner } from "../tuning/PlanTuner.ts"
import { answerIdentity, modelFiles } from "./AnswerIdentity.ts"
import { entryIdentity } from "./EntryIdentity.ts"
import { fileDigest } from "./FileDigest.ts"
import { ModelRoute } from "./ModelRoute.ts"
import { PluginCatalogue } from "./PluginCatalogue.ts"
import { registryDiff, servedEntries } from "./RegistryDiff.ts"
import type { ModelEntry, Registry, VersionEntry } from "./RegistryEntry.ts"
import { type CacheLimits, chooseFirst } from "./VersionEviction.ts"
import type { VersionMemory } from "./VersionMemory.ts"
import { planVersion, type ServingConfig, type VersionPlan } from "./VersionPlan.ts"
import { makeVersionSlot, type VersionSlot } from "./VersionSlot.ts"

/** A version that is to be served, with its plan if it is loaded anew. */
interface PlannedVersion {
  readonly entry: VersionEntry
  readonly identity: string
  readonly plan: VersionPlan | undefined
}

export const makeRegistryChanges = Effect.fnUntraced(function*(
  first: Registry,
  config: ServingConfig & { readonly memory?: CacheLimits },
  memory: VersionMemory
) {
  const catalogue = yield* PluginCatalogue
  const metrics = yield* Metrics
  const rollouts = yield* Rollouts
  const scope = yield* Effect.scope
  const engine = yield* Effect.context<Batcher | ModelHost | PlanTuner>()
  const versions = yield* Scope.fork(scope, "parallel")
  const routes = new Map<string, ModelRoute>()
  const transitions = yield* FiberMap.make<string, void, never>()
  const oneAtATime = yield* Semaphore.make(1)
  let registry = first

  const slots = () => [...routes.values()].flatMap((route) => [...route.slots.values(), ...route.replacing.values()])

  /** When every version has loaded that loads without being measured: then the machine is quiet enough to measure. */
  const quiet = Effect.suspend(() =>
    Effect.forEach(
      slots().filter(({ plan, state }) => plan.entry.optimizeFor === "auto" && state() === "loading"),
      (slot) => slot.settled,
      { discard: true }
    )
  )

  const slotFor = (plan: VersionPlan, identity: string) => {
    const { model, version } = plan.entry
    return makeVersionSlot(plan, {
      identity,
      quiet,
      metrics: () => metrics.registerVersion(model, version),
      scope: versions
    }).pipe(Effect.provideContext(engine))
  }

  /** The slot of this identity that answers, or is about to. */
  const present = (entry: VersionEntry, identity: string): VersionSlot | undefined => {
    const route = routes.get(entry.model)
    const candidates = [route?.replacing.get(entry.version), route?.slots.get(entry.version)]
    return candidates.find((slot) => slot?.identity === identity)
  }

  /** Every version of the registry, with a plan for those that are not served as they stand. */
  const planAll = (next: Registry) =>
    Effect.forEach(
      next.models.flatMap(servedEntries),
      Effect.fnUntraced(function*(entry) {
        const identity = entryIdentity(entry)
        const plan = present(entry, identity) === undefined ? yield* planVersion(entry, config, catalogue) : undefined
        return { entry, identity, plan } satisfies PlannedVersion
      })
    )

  const identities = new WeakMap<VersionSlot, string>()

  /** By its files as they are now: a slot is loaded from them once, and has another one's place when they change. */
  const rememberIdentity = Effect.fnUntraced(function*(slot: VersionSlot) {
    const { entry } = slot.plan
    if (identities.has(slot)) return
    const digests = yield* Effect.forEach(
      modelFiles(entry),
      (path) => Effect.catch(fileDigest(path), () => Effect.succeed("missing"))
    )
    identities.set(slot, answerIdentity(entry, digests))
  })

  /** The rollouts of what is served, or will be when `arrival` has taken its version's place. */
  const configureRollouts = Effect.fnUntraced(function*(arrival?: VersionSlot) {
    const served = [...routes.values()].map(({ entry, slots }) => ({ entry, slots: new Map(slots) }))
    for (const { entry, slots } of served) {
      if (arrival?.plan.entry.model === entry.name) slots.set(arrival.plan.entry.version, arrival)
      if (entry.rollout.type !== "canary" && entry.rollout.type !== "shadow") continue
      const compared = [entry.defaultVersion, entry.rollout.targetVersion]
      yield* Effect.forEach(compared.flatMap((version) => slots.get(version) ?? []), rememberIdentity)
    }
    const identityOf = ({ model, version }: VersionEntry) => {
      const slot = served.find(({ entry }) => entry.name === model)?.slots.get(version)
      return (slot === undefined ? undefined : identities.get(slot)) ?? ""
    }
    yield* rollouts.configure(served.map(({ entry }) => entry), identityOf)
  })

  /** Put away in the background: nobody waits for those who still use it. */
  const release = (slot: VersionSlot) => Effect.asVoid(Effect.forkIn(memory.release(slot), scope))

  const removeVersion = (route: ModelRoute, version: string) =>
    Effect.suspend(() => {
      const slot = route.slots.get(version)
      route.slots.delete(version)
      if (slot !== undefined) route.arriving.delete(slot)
      route.refused.delete(version)
      metrics.unregisterVersion(route.entry.name, version)
      return slot === undefined ? Effect.void : release(slot)
    })

  /** A version that is loaded for one that answers: takes its place when it is ready, or is let go. */
  const replace = (route: ModelRoute, version: string, slot: VersionSlot) =>
    Effect.andThen(memory.load(slot), Effect.uninterruptible(takePlace(route, version, slot)))

  const takePlace = Effect.fnUntraced(function*(route: ModelRoute, version: string, slot: VersionSlot) {
    // Its rollout begins anew before it answers.
    if (route.replacing.get(version) === slot && slot.served() !== undefined) yield* configureRollouts(slot)
    if (route.replacing.get(version) !== slot) return
    route.replacing.delete(version)
    const former = route.slots.get(version)
    if (slot.served() === undefined) {
      const reason = slot.failure() ?? "it did not load"
      route.refused.set(version, `its new entry was not taken: ${reason}`)
      yield* Effect.logError(`${slot.id}: its new entry was not taken, the former one goes on: ${reason}`)
      return yield* release(slot)
    }
    route.refused.delete(version)
    route.slots.set(version, slot)
    yield* Effect.logInfo(`${slot.id} was loaded anew`)
    if (former !== undefined) yield* release(former)
  })

  /** Moves one model to its new entry; the machine loads one version at a time, beside the requests. */
  const moveModel = Effect.fnUntraced(function*(route: ModelRoute, next: ModelEntry) {
    const target = route.slots.get(next.defaultVersion)
    // A new default shows that it loads before it is asked, also one that was put away.
    if (target !== undefined && target.served() === undefined && route.movesDefault(next)) route.arriving.add(target)
    const wanted = new Set(servedEntries(next).map(({ version }) => version))
    for (const slot of route.arriving) {
      if (wanted.has(slot.plan.entry.version)) yield* memory.load(slot)
      route.arriving.delete(slot)
    }
    for (const [version, slot] of route.replacing) yield* replace(route, version, slot)
    yield* Effect.uninterruptible(reroute(route, next))
  })

  /** Once the version that it leads to is ready, whoever loaded it; what the entry no longer has is let go. */
  const reroute = Effect.fnUntraced(function*(route: ModelRoute, next: ModelEntry) {
    // A newer change goes on from here.
    if (route.wanted !== next) return
    const reason = route.movesDefault(next) ? route.reasonToStay(next.defaultVersion) : undefined
    if (reason !== undefined) {
      const wanted = modelId(next.name, next.defaultVersion)
      yield* Effect.logError(`${wanted} does not become the default, ${route.entry.defaultVersion} stays: ${reason}`)
      return
    }
    route.entry = next
    const kept = new Set(servedEntries(next).map(({ version }) => version))
    yield* Effect.forEach(
      [...route.slots.keys()].filter((version) => !kept.has(version)),
      (version) => removeVersion(route, version),
      { discard: true }
    )
    yield* configureRollouts()
  })

  /** The slots that a model's planned versions need, put in their places. */
  const placeSlots = Effect.fnUntraced(function*(route: ModelRoute, planned: ReadonlyArray<PlannedVersion>) {
    const wanted = new Map(planned.map(({ entry, identity }) => [entry.version, identity]))
    for (const [version, slot] of route.replacing) {
      if (wanted.get(version) === slot.identity) continue
      route.replacing.delete(version)
      yield* release(slot)
    }
    for (const { entry, identity, plan } of planned) {
      // What was refused is not asked for any more.
      if (route.slots.get(entry.version)?.identity === identity) route.refused.delete(entry.version)
      if (plan === undefined) continue
      const slot = yield* slotFor(plan, identity)
      if (route.slots.has(entry.version)) route.replacing.set(entry.version, slot)
      else {
        route.slots.set(entry.version, slot)
        route.arriving.add(slot)
      }
    }
  })

  const takeModel = Effect.fnUntraced(function*(model: ModelEntry, planned: ReadonlyArray<PlannedVersion>) {
    const known = routes.get(model.name)
    const route = known ?? new ModelRoute(model)
    route.wanted = model
    yield* placeSlots(route, planned)
    routes.set(model.name, route)
    yield* FiberMap.run(transitions, model.name, moveModel(route, model))
  })

  const dropModel = Effect.fnUntraced(function*(name: string) {
    const route = routes.get(name)
    if (route === undefined) return
    routes.delete(name)
    yield* FiberMap.remove(transitions, name)
    yield* Effect.forEach([...route.replacing.values()], release, { discard: true })
    yield* Effect.forEach([...route.slots.keys()], (version) => removeVersion(route, version), { discard: true })
  })

  const inOrder = (next: Registry): void => {
    const ordered = next.models.flatMap(({ name }) => routes.get(name) ?? [])
    routes.clear()
    for (const route of ordered) routes.set(route.entry.name, route)
  }

  const changeTo = (next: Registry) => {
    const former = {
      models: [...routes.values()].map((route) => route.wanted),
      identities: new Map(
        [...routes.values()].flatMap((route) =>
          [...route.slots.values(), ...route.replacing.values()].map((slot) => [slot.id, slot.identity] as const)
        )
      )
    }
    return registryDiff(former, next, entryIdentity)
  }

  const take = Effect.fnUntraced(function*(next: Registry) {
    const planned = yield* planAll(next)
    const change = changeTo(next)
    registry = next
    yield* Effect.forEach(
      [...routes.keys()].filter((name) => !next.models.some((model) => model.name === name)),
      dropModel,
      { discard: true }
    )
    for (const model of next.models) {
      yield* takeModel(model, planned.filter(({ entry }) => entry.model === model.name))
    }
    inOrder(next)
    return change
  }, Effect.uninterruptible)

  /** All at once, for nobody is served yet; each model's default first, so that a slow candidate never holds it up. */
  const begin = Effect.gen(function*() {
    const planned = yield* planAll(first)
    for (const model of first.models) {
      const route = new ModelRoute(model)
      routes.set(model.name, route)
      yield* placeSlots(route, planned.filter(({ entry }) => entry.model === model.name))
      // What there is no room for is put away from the start.
      route.arriving.clear()
    }
    const all = slots()
    const chosen = chooseFirst(
      all.map(({ id, plan }) => ({ id, bytes: plan.memoryBytes, pinned: plan.entry.keepLoaded })),
      config.memory ?? { versions: Infinity, bytes: Infinity }
    )
    const starting = all.filter(({ id }) => chosen.has(id))
    yield* Effect.forEach(
      starting,
      (slot) => Effect.forkIn(memory.load(slot), scope, { startImmediately: true }),
      { discard: true }
    )
    // Beside the loading: a store that does not answer is waited for a moment.
    yield* configureRollouts()
    return Effect.forEach(starting, (slot) => slot.settled, { discard: true })
  })
  const begun = yield* begin

  return {
    routes,
    registry: () => registry,
    /** Waits until the first versions have loaded and every change since is done. */
    settled: Effect.andThen(begun, FiberMap.awaitEmpty(transitions)),
    preview: (next: Registry) => Effect.map(planAll(next), () => changeTo(next)),
    apply: (next: Registry) => oneAtATime.withPermits(1)(take(next))
  }
})
