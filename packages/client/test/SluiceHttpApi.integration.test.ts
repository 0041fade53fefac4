/**
 * The HTTP surface by its definition, against a real server under another prefix.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestServer } from "../../server/test/harness/ServerProcess.ts"
import { SluiceHttpApi } from "../src/SluiceHttpApi.ts"

const token = "sesame"

layer(TestServer.layer({ env: { AUTH_TOKEN: token, API_V1_STR: "/ml" } }), { excludeTestServices: true })(
  "SluiceHttpApi",
  (it) => {
    const asking = <A, E>(
      use: (api: SluiceHttpApi["Service"]) => Effect.Effect<A, E>,
      key: string | undefined = token
    ) =>
      Effect.flatMap(TestServer, ({ port }) =>
        Effect.flatMap(SluiceHttpApi, use).pipe(
          Effect.provide(SluiceHttpApi.layer({ url: `http://localhost:${port}`, token: key, apiPrefix: "/ml" }))
        ))

    it.effect("calls each surface", () =>
      Effect.gen(function*() {
        const predicted = yield* asking((api) =>
          api.predict.predict({ payload: { model: "iris", features: [[5.1, 3.5, 1.4, 0.2]] } })
        )
        assert.strictEqual(predicted.results[0]?.prediction, "setosa")
        const listed = yield* asking((api) => api.models.list())
        assert.strictEqual(listed.total, listed.models.length)
        const metadata = yield* asking((api) => api.oip.metadata({ params: { model: "iris" } }))
        assert.strictEqual(metadata.name, "iris")
        const embedded = yield* asking((api) =>
          api.openai.embeddings({ payload: { model: "embeddings", input: "hello", encoding_format: "float" } })
        )
        assert.strictEqual(embedded.data[0]?.embedding.length, 384)
        assert.strictEqual((yield* asking((api) => api.health.livez())).status, "live")
      }))

    it.effect("fails with the body of each surface's refusals", () =>
      Effect.gen(function*() {
        const missing = yield* Effect.flip(
          asking((api) => api.predict.predict({ payload: { model: "nope", texts: ["fine"] } }))
        )
        assert.strictEqual("code" in missing ? missing.code : undefined, "model_not_found")
        const refused = yield* Effect.flip(asking((api) => api.models.list(), "wrong"))
        assert.strictEqual("status" in refused ? refused.status : undefined, 401)
      }))
  }
)
