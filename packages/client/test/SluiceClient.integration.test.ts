/**
 * The typed client against a real server, over both transports.
 */
import { assert, describe, layer } from "@effect/vitest"
import { InvalidInput, MalformedRequest, ModelNotFound, Unauthenticated, VersionNotFound } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { RpcClientError } from "effect/rpc/RpcClientError"
import { TestServer } from "../../server/test/harness/ServerProcess.ts"
import type { Connection, InvalidUrl } from "../src/Connection.ts"
import { describeConnectionFailure, isUnreachable } from "../src/ConnectionFailure.ts"
import { SluiceClient } from "../src/SluiceClient.ts"

const token = "sesame"

interface Transport {
  readonly name: string
  readonly layerOf: (connection: Connection) => Layer.Layer<SluiceClient, InvalidUrl>
}

const transports: ReadonlyArray<Transport> = [
  { name: "WebSocket", layerOf: SluiceClient.layerWs },
  { name: "HTTP", layerOf: SluiceClient.layerHttp }
]

layer(TestServer.layer({ env: { AUTH_TOKEN: token, MAX_BODY_BYTES: "65536" } }), { excludeTestServices: true })(
  "SluiceClient",
  (it) => {
    describe.each(transports)("over $name", ({ layerOf }) => {
      const asking = <A, E>(
        ask: (client: SluiceClient["Service"]) => Effect.Effect<A, E>,
        key: { readonly token?: string } = { token }
      ) =>
        Effect.flatMap(
          TestServer,
          ({ port }) =>
            Effect.flatMap(SluiceClient, ask).pipe(Effect.provide(layerOf({ url: `http://localhost:${port}`, ...key })))
        )

      it.effect("predicts texts", () =>
        Effect.gen(function*() {
          const answer = yield* asking((client) =>
            client.predict({ id: "req-7", model: "sentiment", texts: ["I love this product!", "Awful, it broke."] })
          )
          assert.strictEqual(answer.request_id, "req-7")
          assert.strictEqual(answer.model_version, "v1")
          assert.deepStrictEqual(answer.results.map((result) => result.text), [
            "I love this product!",
            "Awful, it broke."
          ])
          assert.deepStrictEqual(answer.results.map((result) => result.prediction), ["positive", "negative"])
        }))

      it.effect("predicts rows of features, with probabilities by class", () =>
        Effect.gen(function*() {
          const { results } = yield* asking((client) =>
            client.predict({
              model: "iris",
              features: [[5.1, 3.5, 1.4, 0.2], [6.7, 3, 5.2, 2.3]],
              return_probabilities: true
            })
          )
          assert.deepStrictEqual(results.map((result) => result.prediction), ["setosa", "virginica"])
          assert.deepStrictEqual(Object.keys(results[0]?.probabilities ?? {}), ["setosa", "versicolor", "virginica"])
        }))

      it.effect("lists the models, and why each has its plugin", () =>
        Effect.gen(function*() {
          const { models, total } = yield* asking((client) => client.models)
          assert.strictEqual(total, models.length)
          const sentiment = models.find((model) => model.model_id === "sentiment@v1")
          assert.strictEqual(sentiment?.state, "ready")
          assert.match(sentiment?.plugin_reason ?? "", /outputs/)
        }))

      it.effect("fails with the catalogue's classes", () =>
        Effect.gen(function*() {
          const failure = (request: Parameters<SluiceClient["Service"]["predict"]>[0]) =>
            Effect.flip(asking((client) => client.predict(request)))
          const texts = ["fine"]
          assert.deepStrictEqual(yield* failure({ model: "nope", texts }), new ModelNotFound({ model: "nope" }))
          assert.deepStrictEqual(
            yield* failure({ model: "sentiment", model_version: "v9", texts }),
            new VersionNotFound({ model: "sentiment", version: "v9" })
          )
          const invalid = yield* failure({ model: "iris", features: [[1, 2, 3, 4], [1, 2]] })
          assert.instanceOf(invalid, InvalidInput)
          assert.strictEqual(invalid.item, 1)
          assert.instanceOf(yield* failure({ model: "iris" }), MalformedRequest)
        }))

      it.effect("refuses by field what is no request, before it is sent", () =>
        Effect.gen(function*() {
          const failure = (request: Parameters<SluiceClient["Service"]["predict"]>[0]) =>
            Effect.flip(asking((client) => client.predict(request)))
          const badName = yield* failure({ model: "no spaces", texts: ["fine"] })
          assert.instanceOf(badName, MalformedRequest)
          assert.strictEqual(badName.field, "model")
          const notANumber = yield* failure({ model: "iris", features: [[1, 2, 3, Number.NaN]] })
          assert.instanceOf(notANumber, MalformedRequest)
          assert.strictEqual(notANumber.field, "features.0.3")
        }))

      it.effect("is Unauthenticated with no key or a wrong one, and still learns of the server's health", () =>
        Effect.gen(function*() {
          for (const key of [{}, { token: "open" }]) {
            const predict = asking((client) => client.predict({ texts: ["fine"] }), key)
            assert.deepStrictEqual(yield* Effect.flip(predict), new Unauthenticated())
            assert.deepStrictEqual(yield* Effect.flip(asking((client) => client.models, key)), new Unauthenticated())
            assert.strictEqual((yield* asking((client) => client.health, key)).status, "active")
          }
        }))

      it.effect("fails soon, and says so, where nobody listens", () =>
        Effect.gen(function*() {
          // Port 9 is discard's, which no machine of today serves; the connection is refused by the system.
          const url = "http://127.0.0.1:9"
          const error = yield* Effect.flatMap(SluiceClient, (client) => client.health).pipe(
            Effect.provide(layerOf({ url })),
            Effect.timeout("10 seconds"),
            Effect.flip
          )
          assert.instanceOf(error, RpcClientError)
          assert.isTrue(isUnreachable(error))
          assert.strictEqual(describeConnectionFailure(error, url), `no server answers at ${url}`)
        }))
    })

    it.effect("over HTTP is refused by the server's body limit", () =>
      Effect.gen(function*() {
        const { port } = yield* TestServer
        const url = `http://localhost:${port}`
        const error = yield* Effect.flatMap(SluiceClient, (client) => client.predict({ texts: ["x".repeat(70_000)] }))
          .pipe(
            Effect.provide(SluiceClient.layerHttp({ url, token })),
            Effect.flip
          )
        assert.instanceOf(error, RpcClientError)
        assert.match(describeConnectionFailure(error, url), /larger than the server .* accepts/)
      }))

    it.effect("over HTTP tells what answers there but is no RPC", () =>
      Effect.gen(function*() {
        const { port } = yield* TestServer
        const url = `http://localhost:${port}/docs`
        const error = yield* Effect.flatMap(SluiceClient, (client) => client.health).pipe(
          Effect.provide(SluiceClient.layerHttp({ url, token })),
          Effect.flip
        )
        assert.instanceOf(error, RpcClientError)
        assert.isFalse(isUnreachable(error))
        assert.match(describeConnectionFailure(error, url), /is no Sluice server: it said 401/)
      }))
  }
)
