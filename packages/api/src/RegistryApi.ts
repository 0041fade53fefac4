/**
 * The registry as operators read and replace it, and the log of who changed what is served.
 */
import { AuditEntries } from "@sluice/domain/AuditEntry"
import { RegistryApplied, RegistryStatus } from "@sluice/domain/RegistryStatus"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { changeProblems, ifMatch, malformedProblem, readProblems } from "./Problem.ts"

/** A larger registry is none that people keep. */
export const maxRegistryBytes = 1024 * 1024

/** The text of `model_registry.yaml`. */
const RegistryText = Schema.String.annotate({ description: "The registry, as model_registry.yaml has it" }).pipe(
  HttpApiSchema.asText({ contentType: "application/yaml" })
)

const Limit = Schema.FiniteFromString.check(
  Schema.isInt(),
  Schema.isBetween({ minimum: 1, maximum: 1000 }, { expected: "a whole number from 1 to 1000" })
)

export const RegistryApi = HttpApiGroup.make("registry").add(
  HttpApiEndpoint.get("current", "/registry", { success: RegistryText, error: readProblems }),
  HttpApiEndpoint.put("replace", "/registry", {
    headers: { "if-match": ifMatch },
    query: { dry_run: Schema.optionalKey(Schema.Literals(["true", "false"])) },
    payload: RegistryText,
    success: RegistryApplied,
    error: changeProblems
  }),
  HttpApiEndpoint.get("status", "/registry/status", { success: RegistryStatus, error: readProblems }),
  HttpApiEndpoint.get("audit", "/audit", {
    query: { limit: Schema.optionalKey(Limit) },
    success: AuditEntries,
    error: [malformedProblem, ...readProblems]
  })
)
