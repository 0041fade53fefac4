/**
 * A call to the running server, and a sentence for each way in which it gives no answer.
 */
import type { InvalidUrl } from "@sluice/client/Connection"
import { describeConnectionFailure, isUnreachable } from "@sluice/client/ConnectionFailure"
import { SluiceClient } from "@sluice/client/SluiceClient"
import type { SluiceError } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import { RpcClientError } from "effect/rpc/RpcClientError"
import { type CommandFailed, failed, misused } from "./CommandFailed.ts"
import type { ChosenServer } from "./ServerFlags.ts"

const sentenceOf = (error: SluiceError | RpcClientError | InvalidUrl, server: ChosenServer): CommandFailed => {
  switch (error._tag) {
    case "InvalidUrl":
      return misused(`--url: ${error.message}`)
    case "RpcClientError": {
      const advice = isUnreachable(error) ? ": start one with `sluice serve`, or name another with --url" : ""
      return failed(`${describeConnectionFailure(error, server.url)}${advice}`, error)
    }
    case "Unauthenticated":
      return failed(
        server.token === undefined
          ? `the server at ${server.url} asks for a key: give it with --token, or in AUTH_TOKEN`
          : `the server at ${server.url} does not take this key: it must be the server's AUTH_TOKEN or one of its keys that still holds`,
        error
      )
    case "ModelNotFound":
      return failed(`no model is named "${error.model}": \`sluice models\` lists those that are served`, error)
    case "VersionNotFound":
      return failed(
        `model "${error.model}" has no version "${error.version}": \`sluice models\` lists its versions`,
        error
      )
    default: {
      const wait = "retryAfterMs" in error ? ` (in ${error.retryAfterMs} ms)` : ""
      return failed(`${error.message}${wait}`, error)
    }
  }
}

/** Whether nothing listens there, as opposed to a server that refuses. */
export const noServerAnswered = ({ cause }: CommandFailed): boolean =>
  cause instanceof RpcClientError && isUnreachable(cause)

/** Over RPC on HTTP, which passes any proxy; its failures are the command's. */
export const askServer = <A, E extends SluiceError | RpcClientError>(
  server: ChosenServer,
  ask: (client: SluiceClient["Service"]) => Effect.Effect<A, E>
): Effect.Effect<A, CommandFailed> =>
  Effect.flatMap(SluiceClient, ask).pipe(
    Effect.provide(SluiceClient.layerHttp(server)),
    Effect.mapError((error) => sentenceOf(error, server))
  )
