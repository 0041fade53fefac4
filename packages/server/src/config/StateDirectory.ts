/**
 * Where the server keeps what it must know again after a restart.
 */
import { createHash } from "node:crypto"
import { homedir } from "node:os"
import { join, resolve } from "node:path"

/** The folder of the user's state: `XDG_STATE_HOME`, else `~/.local/state` (XDG Base Directory Specification 0.8). */
export const defaultStateDirectory = (variables: Readonly<Record<string, string | undefined>>): string =>
  join(variables["XDG_STATE_HOME"] || join(homedir(), ".local", "state"), "sluice")

/** Servers of one registry file share their rollouts; those of another one, with models of the same names, do not. */
export const rolloutDirectory = (directory: string, registry: string): string =>
  join(directory, "rollouts", createHash("sha256").update(resolve(registry)).digest("hex").slice(0, 16))
