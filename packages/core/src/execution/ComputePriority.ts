/**
 * The operating system's priority of threads that compute: lower than that of the event loop, which has little to do but
 * keeps every caller waiting while it waits for a core. Models still get all the time that is left.
 */
import { readlinkSync } from "node:fs"
import * as Os from "node:os"
import { basename } from "node:path"

/** A third of the weight that the event loop has when both want a core. */
const niceness = 5

/**
 * Lowers the priority of the calling thread, and so of the threads that it starts from then on. Linux only, where the
 * priority belongs to the thread: elsewhere it would be that of the whole process.
 */
export const lowerPriority = (): void => {
  if (process.platform !== "linux") return
  try {
    Os.setPriority(Number(basename(readlinkSync("/proc/thread-self"))), niceness)
  } catch {
    // Without /proc, or where a sandbox refuses it, computing goes on at the priority that it has
  }
}
