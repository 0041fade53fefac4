/**
 * One run of the load generator wrk: closed loop, so many connections, for so many seconds.
 */
import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

export interface WrkRun {
  readonly url: string
  /** Sent in turn, so that no two consecutive requests are the same. */
  readonly bodies: ReadonlyArray<string>
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  readonly seconds: number
}

export interface WrkResult {
  readonly requestsPerSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Answers other than 2xx, and socket errors. */
  readonly failures: number
}

const luaString = (text: string): string => JSON.stringify(text)

const script = ({ bodies, headers }: WrkRun): string => `
local bodies = {${bodies.map(luaString).join(",")}}
local headers = {${
  Object.entries(headers).map(([name, value]) => `[${luaString(name)}]=${luaString(value)}`).join(",")
}}
local next = 0
request = function()
  next = next % #bodies + 1
  return wrk.format("POST", nil, headers, bodies[next])
end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %f %f %f %d\\n", summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
`

/** Runs wrk once. Fails when wrk is not installed. */
export const wrk = async (run: WrkRun): Promise<WrkResult> => {
  const directory = await mkdtemp(join(tmpdir(), "sluice-wrk-"))
  try {
    const file = join(directory, "post.lua")
    await writeFile(file, script(run))
    const threads = "1"
    const { stdout } = await promisify(execFile)(
      "wrk",
      ["-t", threads, "-c", String(run.connections), "-d", `${run.seconds}s`, "-s", file, run.url]
    )
    const [requestsPerSecond = NaN, p50 = NaN, p99 = NaN, failures = NaN] =
      /RESULT (\S+) (\S+) (\S+) (\S+)/.exec(stdout)?.slice(1).map(Number) ?? []
    return { requestsPerSecond, p50, p99, failures }
  } finally {
    await rm(directory, { recursive: true })
  }
}
