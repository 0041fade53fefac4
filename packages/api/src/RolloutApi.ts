/**
 * A model's rollout: where it stands, and what an operator tells it.
 */
import { RolloutAction, RolloutStatus } from "@sluice/domain/RolloutStatus"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { changeProblems, ifMatch, notFoundProblem, readProblems } from "./Problem.ts"

const params = { model: Schema.String }

/** The `ETag` of both is the status' `revision`, in quotes. */
export const RolloutApi = HttpApiGroup.make("rollouts").add(
  HttpApiEndpoint.get("status", "/models/:model/rollout", {
    params,
    success: RolloutStatus,
    error: [notFoundProblem, ...readProblems]
  }),
  HttpApiEndpoint.post("act", "/models/:model/rollout", {
    params,
    headers: { "if-match": ifMatch },
    payload: RolloutAction,
    success: RolloutStatus,
    error: changeProblems
  })
)
