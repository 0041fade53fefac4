/**
 * Whether a session holds much more memory than its runs need. onnxruntime keeps what its largest run needed, for ever.
 * Pure.
 */

export interface ArenaUse {
  /** Elements of the inputs of the largest run. */
  readonly largest: number
  /** By how much the process has grown in the runs that were the largest so far, in bytes. */
  readonly grownBytes: number
  /** When a run last needed a good part of that. */
  readonly neededAtMs: number
}

export const unused: ArenaUse = { largest: 0, grownBytes: 0, neededAtMs: 0 }

/** `grownBytes` counts for a run that is the largest so far; the first is what every session needs. */
export const afterRun = (
  use: ArenaUse,
  run: { readonly elements: number; readonly grownBytes: number; readonly nowMs: number }
): ArenaUse => {
  if (run.elements * 4 < use.largest) return use
  if (run.elements <= use.largest) return { ...use, neededAtMs: run.nowMs }
  const grown = use.largest === 0 ? 0 : Math.max(0, run.grownBytes)
  return { largest: run.elements, grownBytes: use.grownBytes + grown, neededAtMs: run.nowMs }
}

const worthwhileBytes = 64 * 1024 * 1024
const quietMs = 30_000

/** Whether it holds at least 64 MiB that no run has come near for 30 s. */
export const isWasteful = (use: ArenaUse, nowMs: number): boolean =>
  use.grownBytes >= worthwhileBytes && nowMs - use.neededAtMs >= quietMs
