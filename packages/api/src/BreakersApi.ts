/**
 * The circuits of the model versions: how they stand, and closing one by hand.
 */
import { BreakerList, BreakerStatus } from "@sluice/domain/BreakerStatus"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { notFoundProblem, readProblems } from "./Problem.ts"

export const BreakersApi = HttpApiGroup.make("breakers").add(
  HttpApiEndpoint.get("list", "/breakers", { success: BreakerList, error: readProblems }),
  HttpApiEndpoint.post("reset", "/breakers/:key/reset", {
    params: { key: Schema.String },
    success: BreakerStatus,
    error: [notFoundProblem, ...readProblems]
  })
)
