/**
 * Hosts in memory: they know what a registry says and load nothing. They stand in until `ModelRegistry` and `Rollouts` take
 * changes while they serve, and in tests.
 */
import { ChangeRefused, RevisionConflict } from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import type { RolloutAction, RolloutPhase, RolloutStatus } from "@sluice/domain/RolloutStatus"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { RegistryChange } from "./RegistryChange.ts"
import type { ModelEntry, Registry, VersionEntry } from "./RegistryEntry.ts"
import { RegistryHost } from "./RegistryHost.ts"
import { chooseModel, route } from "./Rollout.ts"
import { RolloutHost } from "./RolloutHost.ts"

const servedVersions = (registry: Registry): ReadonlyMap<string, VersionEntry> =>
  new Map(
    registry.models.flatMap((model) =>
      model.versions.filter(({ status }) => status !== "retired").map((entry) =>
        [modelId(model.name, entry.version), entry] as const
      )
    )
  )

/** What matters of an entry: not the line that it stands on. */
const contentOf = (entry: VersionEntry): string =>
  JSON.stringify({ ...entry, source: undefined }, (_, value: unknown) => value instanceof Map ? [...value] : value)

const routingOf = ({ defaultVersion, rollout }: ModelEntry): string =>
  JSON.stringify([defaultVersion, rollout], (_, value: unknown) => value instanceof Map ? [...value] : value)

const changeOf = (before: Registry, after: Registry): RegistryChange => {
  const [former, next] = [servedVersions(before), servedVersions(after)]
  const routed = new Map(before.models.map((model) => [model.name, routingOf(model)]))
  return {
    added: [...next.keys()].filter((id) => !former.has(id)),
    changed: [...next].flatMap(([id, entry]) => {
      const old = former.get(id)
      return old === undefined || contentOf(old) === contentOf(entry) ? [] : [id]
    }),
    removed: [...former.keys()].filter((id) => !next.has(id)),
    rerouted: after.models.flatMap((model) => {
      const old = routed.get(model.name)
      return old === undefined || old === routingOf(model) ? [] : [model.name]
    })
  }
}

/** Every version of the registry counts as loaded until it is unloaded. */
export const standInRegistryHost = (registry: Registry): Layer.Layer<RegistryHost> =>
  Layer.sync(RegistryHost, () => {
    let current = registry
    const unloaded = new Set<string>()
    const named = (model: string, version: string | undefined) =>
      Effect.map(
        Effect.suspend(() => Effect.fromResult(route(current, model, version))),
        (entry) => modelId(entry.model, entry.version)
      )
    return RegistryHost.of({
      preview: (next) => Effect.sync(() => changeOf(current, next)),
      apply: (next) =>
        Effect.sync(() => {
          const change = changeOf(current, next)
          current = next
          return change
        }),
      load: (model, version) => Effect.map(named(model, version), (id) => void unloaded.delete(id)),
      unload: (model, version) =>
        Effect.map(named(model, version), (id) => {
          const ids = version === undefined
            ? [...servedVersions(current)].flatMap(([id, entry]) => entry.model === model ? [id] : [])
            : [id]
          for (const each of ids) unloaded.add(each)
        }),
      stats: Effect.sync(() => {
        const versions = [...servedVersions(current).keys()].map((model_id) => {
          const state = unloaded.has(model_id) ? "unloaded" as const : "ready" as const
          return { model_id, state, bytes: 0, load_ms: null, last_used: null, pinned: false }
        })
        const loaded = versions.filter(({ state }) => state === "ready").length
        return { hits: 0, misses: 0, evictions: 0, loaded, capacity: null, bytes: 0, versions }
      }),
      clear: Effect.sync(() => {
        const idle = [...servedVersions(current).keys()].filter((id) => !unloaded.has(id))
        for (const id of idle) unloaded.add(id)
        return idle.length
      })
    })
  })

const phases = { pause: "paused", resume: "running", promote: "promoted", rollback: "rolled_back" } as const

const percentageAfter = (action: RolloutAction, before: number): number => {
  if (action.action === "set_percentage") return action.percentage
  return action.action === "promote" ? 100 : action.action === "rollback" ? 0 : before
}

interface Standing {
  readonly phase: RolloutPhase
  readonly percentage: number
  readonly revision: number
}

/** Does what it is told and decides nothing. */
export const standInRolloutHost = (registry: Registry): Layer.Layer<RolloutHost> =>
  Layer.sync(RolloutHost, () => {
    const standings = new Map<string, Standing>()
    const standingOf = ({ name, rollout }: ModelEntry): Standing =>
      standings.get(name) ?? {
        phase: "running",
        percentage: "percentage" in rollout ? rollout.percentage : 100,
        revision: 1
      }
    const statusOf = (model: ModelEntry): RolloutStatus => ({
      model: model.name,
      type: model.rollout.type,
      default_version: model.defaultVersion,
      ...("targetVersion" in model.rollout ? { target_version: model.rollout.targetVersion } : {}),
      decisions: [],
      ...standingOf(model)
    })
    const find = (model: string) => Effect.suspend(() => Effect.fromResult(chooseModel(registry, model)))
    return RolloutHost.of({
      status: (model) => Effect.map(find(model), statusOf),
      act: Effect.fnUntraced(function*(name, action, _by, ifRevision) {
        const model = yield* find(name)
        const { percentage, phase, revision } = standingOf(model)
        if (ifRevision !== undefined && ifRevision !== revision) {
          return yield* new RevisionConflict({ current: `"${revision}"` })
        }
        if (model.rollout.type === "pinned") {
          return yield* new ChangeRefused({
            detail: `model "${name}" has no rollout: give it a rollout_strategy first`
          })
        }
        standings.set(name, {
          phase: action.action === "set_percentage" ? phase : phases[action.action],
          percentage: percentageAfter(action, percentage),
          revision: revision + 1
        })
        return statusOf(model)
      })
    })
  })
