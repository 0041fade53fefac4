/**
 * What a new registry changes in one that is served. Pure.
 */

export interface RegistryChange {
  /** Versions (`model@version`) that are loaded, for they are new. */
  readonly added: ReadonlyArray<string>
  /** Versions that are loaded anew, for their entry or their file is another. The former ones answer until then. */
  readonly changed: ReadonlyArray<string>
  /** Versions that are drained and put away. */
  readonly removed: ReadonlyArray<string>
  /** Models whose routing differs: default version, or rollout. */
  readonly rerouted: ReadonlyArray<string>
}

export const noChange: RegistryChange = { added: [], changed: [], removed: [], rerouted: [] }

/** As the audit log has it. */
export const describeChange = (change: RegistryChange): string =>
  Object.entries(change).flatMap(([kind, names]) => names.length === 0 ? [] : [`${kind} ${names.join(", ")}`])
    .join("; ") || "nothing of what is served"
