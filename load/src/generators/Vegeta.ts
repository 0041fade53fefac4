/**
 * One run of the load generator vegeta: an open loop of a constant rate, or a closed loop of so many callers, with the
 * end of every single request.
 */
import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import type { Traffic } from "./Traffic.ts"
import { fromDue, parseShots, type Shot } from "./VegetaResults.ts"
import type { ClosedLoop } from "./Wrk.ts"

export interface OpenLoop {
  readonly perSecond: number
  readonly seconds: number
}

export interface VegetaOptions {
  /** After which a request without an answer is given up. */
  readonly timeoutSeconds?: number
  /** Answers' bodies are read to their end, and thrown away unless this is set. */
  readonly keepBodies?: boolean
}

const run = promisify(execFile)
const mostOutputBytes = 2 ** 30

const targetsOf = ({ headers, requests, url }: Traffic): string =>
  requests.map(({ body, tag }) =>
    JSON.stringify({
      method: "POST",
      url: tag === undefined ? url : `${url}?${tag}`,
      header: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
      body: Buffer.from(body).toString("base64")
    })
  ).join("\n")

/** Without a bound on workers, a request never waits for the answer to another. */
const loadFlags = (load: OpenLoop | ClosedLoop): ReadonlyArray<string> =>
  "perSecond" in load
    ? [`-rate=${load.perSecond}/1s`, "-workers=64"]
    : ["-rate=0", `-workers=${load.callers}`, `-max-workers=${load.callers}`]

/** In an open loop, latencies count from when a request was due; its rate is a whole number. */
export const runVegeta = async (
  program: string,
  traffic: Traffic,
  load: OpenLoop | ClosedLoop,
  { keepBodies = false, timeoutSeconds = 30 }: VegetaOptions = {}
): Promise<ReadonlyArray<Shot>> => {
  const directory = await mkdtemp(join(tmpdir(), "sluice-vegeta-"))
  try {
    const targets = join(directory, "targets.json")
    const results = join(directory, "results.bin")
    await writeFile(targets, targetsOf(traffic))
    await run(program, [
      "attack",
      "-format=json",
      `-targets=${targets}`,
      `-output=${results}`,
      ...loadFlags(load),
      `-duration=${load.seconds}s`,
      `-timeout=${timeoutSeconds}s`,
      `-max-body=${keepBodies ? -1 : 0}`
    ])
    const { stdout } = await run(program, ["encode", "-to=json", results], { maxBuffer: mostOutputBytes })
    const shots = parseShots(stdout)
    return "perSecond" in load ? fromDue(shots, load.perSecond) : shots
  } finally {
    await rm(directory, { recursive: true })
  }
}
