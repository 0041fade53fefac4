/**
 * A call to the running server's HTTP routes, and a sentence for each way in which it gives no answer.
 */
import { SluiceHttpApi } from "@sluice/client/SluiceHttpApi"
import * as Effect from "effect/Effect"
import { type CommandFailed, failed, misused } from "./CommandFailed.ts"
import type { ChosenServer } from "./ServerFlags.ts"

/** What a refusal, or the failure to get one, may have. */
interface Refusal {
  readonly _tag?: unknown
  readonly status?: unknown
  readonly code?: unknown
  readonly detail?: unknown
  readonly mistakes?: unknown
  /** The Open Inference Protocol's sentence. */
  readonly error?: unknown
  readonly message?: unknown
  readonly reason?: Refusal
  readonly response?: Refusal
}

const isRefusal = (value: unknown): value is Refusal => typeof value === "object" && value !== null

const isTexts = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every((text) => typeof text === "string")

const keyAdvice = (server: ChosenServer): string =>
  server.token === undefined
    ? `the server at ${server.url} asks for a key: give it with --token, or in AUTH_TOKEN`
    : `the server at ${server.url} does not take this key: it must be the server's AUTH_TOKEN or one of its keys that still holds`

const sentenceOf = (refusal: Refusal, server: ChosenServer): string => {
  const { code, detail, error, mistakes, reason } = refusal
  if (code === "unauthenticated") return keyAdvice(server)
  if (isTexts(mistakes)) return ["nothing was changed", ...mistakes].join("\n  ")
  if (typeof detail === "string") return detail
  if (typeof error === "string") return error
  if (reason?._tag === "TransportError") {
    return `no server answers at ${server.url}: start one with \`sluice serve\`, or name another with --url`
  }
  const status = reason?.response?.status
  return status === undefined
    ? `what answers at ${server.url} is no Sluice server of this version, or API_V1_STR is another there`
    : `what answers at ${server.url} said ${String(status)} where this route is served, or API_V1_STR is another there`
}

/** Over the routes of the API's own description; refusals are the command's failures. */
export const askHttp = <A, E>(
  server: ChosenServer,
  ask: (api: SluiceHttpApi["Service"]) => Effect.Effect<A, E>
): Effect.Effect<A, CommandFailed> =>
  Effect.flatMap(SluiceHttpApi, (api) => Effect.mapError(ask(api), (cause): unknown => cause)).pipe(
    Effect.provide(SluiceHttpApi.layer(server)),
    Effect.mapError((cause) => {
      if (!isRefusal(cause)) return failed(String(cause), cause)
      if (cause._tag === "InvalidUrl") return misused(`--url: ${String(cause.message)}`)
      return failed(sentenceOf(cause, server), cause)
    })
  )
