/**
 * The whole HTTP surface in one definition: documents, clients and handlers are made from it.
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"
import { describeAccess, RouteAccess } from "./Access.ts"
import { BreakersApi } from "./BreakersApi.ts"
import { HealthApi } from "./HealthApi.ts"
import { ModelsApi, RootModelsApi } from "./ModelsApi.ts"
import { OipApi } from "./OipApi.ts"
import { OipRepositoryApi } from "./OipRepositoryApi.ts"
import { OpenAiApi } from "./OpenAiApi.ts"
import { PredictApi } from "./PredictApi.ts"
import { RegistryApi } from "./RegistryApi.ts"
import { RolloutApi } from "./RolloutApi.ts"
import { version } from "./Version.ts"

/** `prefix` stands before the platform's own routes, `/api/v1` unless configured. The standards keep their paths. */
export const makeSluiceApi = (prefix: `/${string}`) =>
  HttpApi.make("sluice")
    .add(
      PredictApi.prefix(prefix),
      ModelsApi.prefix(prefix),
      RegistryApi.prefix(prefix),
      RolloutApi.prefix(prefix),
      BreakersApi.prefix(prefix),
      RootModelsApi,
      HealthApi,
      OipApi,
      OipRepositoryApi,
      OpenAiApi
    )
    .middleware(RouteAccess)
    .annotateMerge(OpenApi.annotations({
      title: "Sluice",
      version,
      description:
        "Serves machine-learning models over HTTP, the Open Inference Protocol V2 and the OpenAI embeddings call.",
      transform: describeAccess
    }))

export type SluiceApi = ReturnType<typeof makeSluiceApi>
