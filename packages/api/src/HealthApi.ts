/**
 * Whether the process lives, and whether it should be sent requests.
 */
import { Health, Readiness } from "@sluice/domain/ModelInfo"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"

const Live = Schema.Struct({ status: Schema.Literal("live") })

/** Not ready is 503 with the same body: each part that readiness depends on, and why it is not ready. */
const NotReady = Readiness.pipe(HttpApiSchema.status(503))

export const HealthApi = HttpApiGroup.make("health").add(
  HttpApiEndpoint.get("health", "/health", { success: Health }),
  HttpApiEndpoint.get("readiness", "/readiness", { success: Readiness, error: NotReady }),
  HttpApiEndpoint.get("readyz", "/readyz", { success: Readiness, error: NotReady }),
  HttpApiEndpoint.get("livez", "/livez", { success: Live })
)
