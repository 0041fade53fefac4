/**
 * A process and all that it started, as Linux lists them: for their memory.
 */
import { readdirSync, readFileSync } from "node:fs"

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return "" // It ended in between
  }
}

/** From the text of /proc/PID/stat; the name in it may hold anything, so fields are counted from its end. */
export const parentOf = (stat: string): number => Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])

/** The process and its descendants. */
const tree = (root: number): ReadonlyArray<number> => {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)
  const parents = new Map(pids.map((pid) => [pid, parentOf(read(`/proc/${pid}/stat`))]))
  const found = [root]
  for (const pid of found) {
    for (const [child, parent] of parents) if (parent === pid) found.push(child)
  }
  return found
}

/** Resident memory of one process and its descendants, in MiB. Pages that they share count once for each. */
export const residentMiB = (pid: number): number =>
  tree(pid).reduce((sum, each) => sum + Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${each}/status`))?.[1] ?? 0) / 1024, 0)
