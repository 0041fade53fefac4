/**
 * One run of the load generator wrk: closed loop, so many callers, each of which waits for its answer.
 */
import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import type { Traffic } from "./Traffic.ts"

export interface ClosedLoop {
  readonly callers: number
  readonly seconds: number
}

export interface WrkResult {
  /** Those that were answered below 400. */
  readonly requestsPerSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Answers from 400 on, and socket errors. */
  readonly failures: number
}

/** A JSON string of text without control characters is a string of Lua as well. */
const luaString = (text: string): string => JSON.stringify(text)

export const luaScript = ({ headers, requests }: Traffic): string => `
local bodies = {${requests.map(({ body }) => luaString(body)).join(",")}}
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
  io.write(string.format("RESULT %f %f %f %d\\n", (summary.requests - errors.status) / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
`

/** Throws where wrk printed no result. */
export const parseWrk = (stdout: string): WrkResult => {
  const found = /^RESULT (\S+) (\S+) (\S+) (\S+)$/m.exec(stdout)
  if (found === null) throw new Error(`wrk printed no result:\n${stdout}`)
  const [requestsPerSecond = NaN, p50 = NaN, p99 = NaN, failures = NaN] = found.slice(1).map(Number)
  return { requestsPerSecond, p50, p99, failures }
}

/** Runs the program once, with one thread. */
export const runWrk = async (program: string, traffic: Traffic, load: ClosedLoop): Promise<WrkResult> => {
  const directory = await mkdtemp(join(tmpdir(), "sluice-wrk-"))
  try {
    const script = join(directory, "post.lua")
    await writeFile(script, luaScript(traffic))
    const { stdout } = await promisify(execFile)(
      program,
      ["-t", "1", "-c", String(load.callers), "-d", `${load.seconds}s`, "--timeout", "30s", "-s", script, traffic.url]
    )
    return parseWrk(stdout)
  } finally {
    await rm(directory, { recursive: true })
  }
}
