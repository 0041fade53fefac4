/**
 * A process' children, as Linux knows them.
 */
import { readFileSync } from "node:fs"

/** The processes that a process has started and not yet buried. */
export const childrenOf = (pid: number): ReadonlyArray<number> =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter((text) => text !== "").map(Number)
