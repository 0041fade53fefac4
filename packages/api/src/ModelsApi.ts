/**
 * Which models are served, in which versions, and what each is doing.
 */
import { ModelList } from "@sluice/domain/ModelInfo"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import { readProblems } from "./Problem.ts"

/** Under the API prefix, and without it. */
export const ModelsApi = HttpApiGroup.make("models").add(
  HttpApiEndpoint.get("list", "/models", { success: ModelList, error: readProblems })
)

export const RootModelsApi = HttpApiGroup.make("rootModels").add(
  HttpApiEndpoint.get("list", "/models", { success: ModelList, error: readProblems })
)
