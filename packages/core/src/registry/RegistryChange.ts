/**
 * What a new registry changes in one that is served.
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
