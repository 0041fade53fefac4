/**
 * The conformance suite that a plugin's author runs with vitest, as `@sluice/plugin-sdk/Conformance`:
 * `conformance("my-plugin", { plugin, path, options, items, invalidOptions })`.
 * It lies in `test` because it needs @effect/vitest, which the product itself must not depend on.
 */
import { describe, it } from "@effect/vitest"
import { conformanceChecks } from "../src/ConformanceChecks.ts"
import type { ConformanceSubject } from "../src/ConformanceSubject.ts"

export type { ConformanceSubject } from "../src/ConformanceSubject.ts"

/** Registers a test for each promise of the plugin contract. Loads the model once or twice a test. */
export const conformance = <Options, Encoded>(name: string, subject: ConformanceSubject<Options, Encoded>): void => {
  describe(`${name} conforms to the plugin contract`, () => {
    for (const [promise, check] of conformanceChecks) it.live(promise, () => check(subject))
  })
}
