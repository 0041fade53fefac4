/**
 * Where the load generators are: on PATH, or vegeta in a cache folder, built there on first use where Go is.
 */
import { execFile } from "node:child_process"
import { accessSync, constants, existsSync, mkdirSync, renameSync } from "node:fs"
import { homedir } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Skipped } from "../report/Outcome.ts"

/** The version is pinned, with checksums, in `load/vegeta/go.mod` and `go.sum`. */
const vegetaModule = fileURLToPath(new URL("../../vegeta/", import.meta.url))
const vegetaVersion = "v12.12.0"

/** Made when something is put into it. */
export const cacheFolder = (): string => join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "sluice-load")

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** A program's path, or undefined where PATH has none. */
export const onPath = (name: string): string | undefined =>
  (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name)).find(isExecutable)

export const findWrk = (): string => {
  const found = onPath("wrk")
  if (found === undefined) throw new Skipped("wrk is missing: apt-get install wrk, or github.com/wg/wrk")
  return found
}

/** Builds vegeta where it is missing, which takes a minute or two, once. */
export const findVegeta = async (say: (line: string) => void): Promise<string> => {
  const installed = onPath("vegeta")
  if (installed !== undefined) return installed
  const built = join(cacheFolder(), `vegeta-${vegetaVersion}`)
  if (existsSync(built)) return built
  const go = onPath("go")
  if (go === undefined) {
    throw new Skipped(
      `vegeta is missing, and Go to build it: go install github.com/tsenart/vegeta/v12@${vegetaVersion}, or a release of it on PATH`
    )
  }
  say(`building vegeta ${vegetaVersion} into ${cacheFolder()}, once`)
  mkdirSync(cacheFolder(), { recursive: true })
  const partial = `${built}.${process.pid}`
  await promisify(execFile)(go, ["build", "-o", partial, "github.com/tsenart/vegeta/v12"], { cwd: vegetaModule })
  renameSync(partial, built)
  return built
}
