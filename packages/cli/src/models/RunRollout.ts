/**
 * Shows a model's rollout, or tells the running server what to do with it.
 */
import type { RolloutAction } from "@sluice/domain/RolloutStatus"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { askHttp } from "../AskHttp.ts"
import { type CommandFailed, misused } from "../CommandFailed.ts"
import { type Output, printJson } from "../OutputFlag.ts"
import { chooseServer, type ServerChoice } from "../ServerFlags.ts"
import { renderRollout } from "./RolloutReport.ts"
import type { RolloutVerb } from "./RolloutVerbs.ts"

export interface RolloutOptions extends ServerChoice {
  readonly model: string
  readonly action: Option.Option<RolloutVerb>
  readonly percentage: Option.Option<number>
  readonly output: Output
}

/** Undefined where the rollout is only to be shown. */
const actionOf = ({ action, percentage }: RolloutOptions): Effect.Effect<RolloutAction | undefined, CommandFailed> => {
  const verb = Option.getOrUndefined(action)
  const given = Option.getOrUndefined(percentage)
  if (verb !== "set") {
    if (given !== undefined) return Effect.fail(misused(`${verb ?? "it"} takes no percentage: set takes one`))
    return Effect.succeed(verb === undefined ? undefined : { action: verb })
  }
  return given === undefined || !(given >= 0 && given <= 100)
    ? Effect.fail(misused("set takes a percentage from 0 to 100"))
    : Effect.succeed({ action: "set_percentage", percentage: given })
}

export const runRollout = Effect.fnUntraced(function*(options: RolloutOptions) {
  const params = { model: options.model }
  const payload = yield* actionOf(options)
  const server = chooseServer(options)
  const status = payload === undefined
    ? yield* askHttp(server, ({ rollouts }) => rollouts.status({ params }))
    : yield* askHttp(server, ({ rollouts }) => rollouts.act({ params, payload, headers: {} }))
  yield* Console.log(options.output === "json" ? printJson(status) : renderRollout(status))
})
