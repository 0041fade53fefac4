/**
 * How a command finds the running server and shows its key: flags, then the environment, then what a local server has.
 */
import type { Connection } from "@sluice/client/Connection"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { existsSync, readFileSync } from "node:fs"
import { parseEnv } from "node:util"

const defaultUrl = "http://localhost:8000"

export const serverFlags = {
  url: Flag.String("url").pipe(
    Flag.withDescription(`The server to ask; ${defaultUrl} when left out`),
    Flag.withMetavar("URL"),
    Flag.optional
  ),
  token: Flag.Redacted("token").pipe(
    Flag.withDescription(
      "The server's key, where it asks for one; AUTH_TOKEN from the environment or .env when left out"
    ),
    Flag.withMetavar("KEY"),
    Flag.optional
  )
}

export interface ServerChoice {
  readonly url: Option.Option<string>
  readonly token: Option.Option<Redacted.Redacted<string>>
}

/** `.env` of the working directory: the server that was started there reads its key from it. */
const dotenv = (): Readonly<Record<string, string | undefined>> =>
  existsSync(".env") ? parseEnv(readFileSync(".env", "utf8")) : {}

const environmentToken = (): string | undefined => process.env["AUTH_TOKEN"] || dotenv()["AUTH_TOKEN"] || undefined

export interface ChosenServer extends Connection {
  /** Whether the caller named it, rather than trying the default. */
  readonly named: boolean
}

export const chooseServer = ({ token, url }: ServerChoice): ChosenServer => ({
  url: Option.getOrElse(url, () => defaultUrl),
  token: Option.getOrUndefined(token) ?? environmentToken(),
  named: Option.isSome(url)
})
