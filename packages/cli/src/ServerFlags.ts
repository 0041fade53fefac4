/**
 * How a command finds the running server and shows its key: by flags, else as a server that is started here would be.
 */
import type { HttpConnection } from "@sluice/client/SluiceHttpApi"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { existsSync, readFileSync } from "node:fs"
import { parseEnv } from "node:util"

const defaultPort = "8000"

export const serverFlags = {
  url: Flag.String("url").pipe(
    Flag.withDescription(
      `The server to ask; http://localhost:${defaultPort}, or at PORT if that is set, when left out`
    ),
    Flag.withMetavar("URL"),
    Flag.optional
  ),
  token: Flag.Redacted("token").pipe(
    Flag.withDescription("The server's key, where it asks for one; AUTH_TOKEN when left out"),
    Flag.withMetavar("KEY"),
    Flag.optional
  )
}

export interface ServerChoice {
  readonly url: Option.Option<string>
  readonly token: Option.Option<Redacted.Redacted<string>>
}

/** What a server started in this directory reads too; empty counts as not set, there as here. */
const environment = (): (name: string) => string | undefined => {
  const dotenv = existsSync(".env") ? parseEnv(readFileSync(".env", "utf8")) : {}
  return (name) => process.env[name]?.trim() || dotenv[name]?.trim() || undefined
}

export interface ChosenServer extends HttpConnection {
  /** Whether the caller named it, rather than trying the default. */
  readonly named: boolean
}

const isPrefix = (text: string | undefined): text is `/${string}` => text?.startsWith("/") === true

export const chooseServer = ({ token, url }: ServerChoice): ChosenServer => {
  const setting = environment()
  const apiPrefix = setting("API_V1_STR")
  return {
    url: Option.getOrElse(url, () => `http://localhost:${setting("PORT") ?? defaultPort}`),
    token: Option.getOrUndefined(token) ?? setting("AUTH_TOKEN"),
    ...(isPrefix(apiPrefix) ? { apiPrefix } : {}),
    named: Option.isSome(url)
  }
}
