/**
 * The typed client of the HTTP surface: every route of the API's definition as a method, `client.openai.embeddings({…})`.
 * For predicting alone, `SluiceClient` is faster and its errors are classes.
 */
import { makeSluiceApi, type SluiceApi } from "@sluice/api/SluiceApi"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import { accessHeaders, type Connection, httpAddress, type InvalidUrl } from "./Connection.ts"

export interface HttpConnection extends Connection {
  /** Where the server has its own routes: its API_V1_STR, `/api/v1` when left out. */
  readonly apiPrefix?: `/${string}`
}

/** Refusals fail with the body that the route's surface has for them, such as problem details. */
export class SluiceHttpApi extends Context.Service<SluiceHttpApi, HttpApiClient.ForApi<SluiceApi>>()(
  "sluice/client/SluiceHttpApi"
) {
  static readonly layer = (connection: HttpConnection): Layer.Layer<SluiceHttpApi, InvalidUrl> =>
    Layer.effect(
      SluiceHttpApi,
      Effect.gen(function*() {
        const address = yield* Effect.fromResult(httpAddress(connection))
        const headers = accessHeaders(connection)
        return yield* HttpApiClient.make(makeSluiceApi(connection.apiPrefix ?? "/api/v1"), {
          transformClient: HttpClient.mapRequest((request) =>
            HttpClientRequest.setHeaders(HttpClientRequest.prependUrl(request, address), headers)
          )
        })
      })
    ).pipe(Layer.provide(FetchHttpClient.layer))
}
