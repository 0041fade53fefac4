/**
 * Where the server keeps what it must know again after a restart.
 */
import { createHash } from "node:crypto"
import { homedir } from "node:os"
import { join, resolve } from "node:path"

/** The folder of the user's state: `XDG_STATE_HOME`, else `~/.local/state` (XDG Base Directory Specification 0.8). */
export const defaultStateDirectory = (variables: Readonly<Record<string, string | undefined>>): string =>
  join(variables["XDG_STATE_HOME"] || join(homedir(), ".local", "state"), "sluice")

/** Of a registry file, by its path: those of other files may have models of the same names. */
const nameOf = (registry: string): string => createHash("sha256").update(resolve(registry)).digest("hex").slice(0, 16)

/** Servers of one registry file share their rollouts. */
export const rolloutDirectory = (directory: string, registry: string): string =>
  join(directory, "rollouts", nameOf(registry))

/** Servers of one registry file share what of it served last. */
export const lastKnownGoodFile = (directory: string, registry: string): string =>
  join(directory, "registries", `${nameOf(registry)}.json`)
