/**
 * A scenario: one situation, run beside what it is compared with.
 */
import type { Bench } from "./Bench.ts"

export interface Scenario {
  readonly name: string
  /** What is measured against what, in one line. */
  readonly about: string
  /** Adds what it finds to the bench. Throws `Skipped` where this machine lacks something. */
  readonly run: (bench: Bench) => Promise<void>
}
