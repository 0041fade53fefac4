/**
 * A model is loaded, runs a batch, and is released, 100 times: its memory must come back.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { int8Embeddings } from "../processes/Registry.ts"
import { mean } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"

const cycles = 100
const program = fileURLToPath(new URL("../processes/LoadReleaseMain.ts", import.meta.url))

/** The mean of the last tenth over that of the second: the first is the runtime growing to its size. */
const growth = (residentMiB: ReadonlyArray<number>): number => {
  const tenth = Math.max(1, Math.floor(residentMiB.length / 10))
  return mean(residentMiB.slice(-tenth)) / mean(residentMiB.slice(tenth, 2 * tenth))
}

const oneRound = async (isolation: string): Promise<ReadonlyArray<number>> => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--expose-gc", program, isolation, String(cycles), int8Embeddings().path]
  )
  return stdout.trim().split("\n").map(Number)
}

export const loadRelease: Scenario = {
  name: "load-release",
  about:
    "100 × load, run, release, in process isolation and in threads; resident memory at the end against the beginning",
  run: async (bench) => {
    const rounds = await bench.rounds({
      process: () => oneRound("process"),
      thread: () => oneRound("thread")
    })
    for (const [isolation, runs] of Object.entries(rounds)) {
      bench.measured(`${isolation}: after 10 cycles`, "MiB", runs.map((resident) => resident[9] ?? NaN))
      bench.measured(`${isolation}: after ${cycles} cycles`, "MiB", runs.map((resident) => resident.at(-1) ?? NaN))
    }
    bench.measured("thread: growth", "", rounds.thread.map(growth))
    bench.demand("process_growth", "", rounds.process.map(growth))
    bench.plot({
      name: "load-release",
      title: "Resident memory after each load and release",
      x: "cycle",
      y: "MiB",
      series: Object.entries(rounds).map(([name, runs]) => ({
        name,
        points: (runs[0] ?? []).map((resident, i) => [i + 1, resident] as const)
      }))
    })
  }
}
