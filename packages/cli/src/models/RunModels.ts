/**
 * Lists the models of the running server, or, where none runs, those of the registry file.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { askServer, noServerAnswered } from "../AskServer.ts"
import { failed } from "../CommandFailed.ts"
import { type Output, printJson } from "../OutputFlag.ts"
import { chooseServer, type ChosenServer, type ServerChoice } from "../ServerFlags.ts"
import { renderRegistered, renderServed } from "./ListedModel.ts"

export interface ModelsOptions extends ServerChoice {
  /** Read the registry file even if a server runs. */
  readonly offline: boolean
  readonly output: Output
}

const listOffline = Effect.fnUntraced(function*(output: Output) {
  const { listRegistry } = yield* Effect.promise(() => import("./RegistryListing.ts"))
  const { file, models, notices } = yield* listRegistry
  yield* Console.log(output === "json" ? printJson({ source: "registry", file, models }) : renderRegistered(models))
  for (const notice of notices) yield* Console.error(`note: ${notice}`)
  const refused = models.filter((model) => model.refused !== undefined)
  if (refused.length > 0) {
    const names = refused.map((model) => model.model_id).join(", ")
    return yield* failed(`a server cannot start with this registry: ${names} cannot be served as it stands`)
  }
})

const listServed = Effect.fnUntraced(function*(server: ChosenServer, output: Output) {
  const { models } = yield* askServer(server, (client) => client.models)
  yield* Console.log(
    output === "json" ? printJson({ source: "server", url: server.url, models }) : renderServed(models)
  )
})

export const runModels = Effect.fnUntraced(function*(options: ModelsOptions) {
  if (options.offline) return yield* listOffline(options.output)
  const server = chooseServer(options)
  return yield* listServed(server, options.output).pipe(
    // Who names a server means that one; a local file would be the answer to another question.
    Effect.catchIf((error) => !server.named && noServerAnswered(error), () =>
      Effect.andThen(
        Console.error(`note: no server answers at ${server.url}; this is what the registry file says`),
        listOffline(options.output)
      ))
  )
})
