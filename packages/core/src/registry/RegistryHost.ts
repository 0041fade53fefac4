/**
 * What keeps the model versions of a registry loaded, as those see it who change what is served.
 */
import type { ModelNotFound, ModelNotReady, VersionNotFound, VersionRetired } from "@sluice/domain/Errors"
import type { ModelCacheStats } from "@sluice/domain/ModelCacheStats"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { RegistryChange } from "./RegistryChange.ts"
import type { Registry } from "./RegistryEntry.ts"
import type { EntryRefused } from "./VersionPlan.ts"

export class RegistryHost extends Context.Service<RegistryHost, {
  /** What `apply` would change, and whether it would be refused. Changes nothing. */
  readonly preview: (registry: Registry) => Effect.Effect<RegistryChange, EntryRefused>
  /**
   * Takes a checked registry: new versions load in the background, traffic moves when they are ready, old ones drain.
   * Fails before anything has changed.
   */
  readonly apply: (registry: Registry) => Effect.Effect<RegistryChange, EntryRefused>
  /** Waits until every change that was taken is done. */
  readonly settled: Effect.Effect<void>
  /** What of the registry is not served as it says, for it did not load: a sentence each. */
  readonly problems: Effect.Effect<ReadonlyArray<string>>
  /** Models whose default version, as the registry has it, did not load. */
  readonly failedDefaults: Effect.Effect<ReadonlyArray<string>>
  /** Those, and models whose default version was not loaded since it is as it is now. */
  readonly unprovenDefaults: Effect.Effect<ReadonlyArray<string>>
  /** Waits until the version, or the default one, is ready. Does nothing where it is. */
  readonly load: (
    model: string,
    version: string | undefined
  ) => Effect.Effect<void, ModelNotFound | VersionNotFound | VersionRetired | ModelNotReady>
  /** Drains the version, or all of the model. Does nothing where none is loaded. */
  readonly unload: (
    model: string,
    version: string | undefined
  ) => Effect.Effect<void, ModelNotFound | VersionNotFound | VersionRetired>
  readonly stats: Effect.Effect<ModelCacheStats>
  /** Puts away every idle version that is not pinned in memory, and gives how many. */
  readonly clear: Effect.Effect<number>
}>()("sluice/core/RegistryHost") {}
