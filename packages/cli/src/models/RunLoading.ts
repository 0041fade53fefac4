/**
 * Has the running server load a model version, or put it away.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { askHttp } from "../AskHttp.ts"
import { type Output, printJson } from "../OutputFlag.ts"
import { chooseServer, type ServerChoice } from "../ServerFlags.ts"

export interface LoadingOptions extends ServerChoice {
  /** `sentiment`, or `sentiment@v2`. */
  readonly model: string
  readonly output: Output
}

export const runLoading = Effect.fnUntraced(function*(verb: "load" | "unload", options: LoadingOptions) {
  const [model = "", ...rest] = options.model.split("@")
  const request = {
    params: { model },
    payload: rest.length === 0 ? {} : { parameters: { version: rest.join("@") } }
  }
  const server = chooseServer(options)
  const answer = verb === "load"
    ? yield* askHttp(server, ({ oipRepository }) => oipRepository.load(request))
    : yield* askHttp(server, ({ oipRepository }) => oipRepository.unload(request))
  const said = verb === "load" ? "is loaded and ready" : "is unloaded"
  yield* Console.log(options.output === "json" ? printJson(answer) : `${options.model} ${said}`)
})
