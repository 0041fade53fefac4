/**
 * The client of promises, against a real server.
 */
import { assert, it, layer } from "@effect/vitest"
import { ModelNotFound, Unauthenticated } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import { RpcClientError } from "effect/rpc/RpcClientError"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { listeningServer, readyServer, TestServer } from "../../server/test/harness/ServerProcess.ts"
import { connect, type SluiceConnection } from "../src/Connect.ts"

const token = "sesame"

/** What a promise rejects with. */
const rejection = (promise: Promise<unknown>) =>
  Effect.promise(() =>
    promise.then((value) => assert.fail(`resolved with ${JSON.stringify(value)}`), (cause: unknown) => cause)
  )

const connection = (key: string | undefined) =>
  Effect.flatMap(TestServer, ({ port }) =>
    Effect.acquireRelease(
      Effect.promise(() => connect({ url: `http://localhost:${port}`, token: key })),
      (sluice) => Effect.promise(() => sluice.close())
    ))

layer(TestServer.layer({ env: { AUTH_TOKEN: token } }), { excludeTestServices: true })("connect", (it) => {
  it.effect("answers calls", () =>
    Effect.gen(function*() {
      const sluice = yield* connection(token)
      const { results } = yield* Effect.promise(() =>
        sluice.predict({ model: "sentiment", texts: ["I love this product!"] })
      )
      assert.strictEqual(results[0]?.prediction, "positive")
      assert.isAbove((yield* Effect.promise(() => sluice.models())).total, 4)
      assert.include((yield* Effect.promise(() => sluice.health())).active_models, "iris@v1")
    }))

  it.effect("rejects with the catalogue's classes", () =>
    Effect.gen(function*() {
      const sluice = yield* connection(token)
      const missing = yield* rejection(sluice.predict({ model: "nope", texts: ["fine"] }))
      assert.deepStrictEqual(missing, new ModelNotFound({ model: "nope" }))
      const stranger = yield* connection(undefined)
      assert.instanceOf(yield* rejection(stranger.predict({ texts: ["fine"] })), Unauthenticated)
    }))

  it.effect("rejects an aborted call with what it was aborted with", () =>
    Effect.gen(function*() {
      const sluice = yield* connection(token)
      const reason = new Error("the user went away")
      const abort = new AbortController()
      const call = sluice.predict({ model: "embeddings", texts: ["fine"] }, { signal: abort.signal })
      abort.abort(reason)
      assert.strictEqual(yield* rejection(call), reason)
      assert.strictEqual((yield* Effect.promise(() => sluice.health())).status, "active")
    }))

  it.effect("rejects calls after it is closed", () =>
    Effect.gen(function*() {
      const sluice = yield* connection(token)
      yield* Effect.promise(() => sluice.close())
      const late = yield* rejection(sluice.health())
      assert.match(String(late), /the connection to http:\/\/localhost:\d+ is closed/)
    }))
})

it.live("connect rejects with a sentence where nobody listens, and for what is no URL", () =>
  Effect.gen(function*() {
    assert.match(String(yield* rejection(connect({ url: "http://127.0.0.1:9" }))), /no server answers at http/)
    assert.match(String(yield* rejection(connect({ url: "localhost" }))), /"localhost" is not the URL of a server/)
  }))

it.live("a connection that was lost is opened again when the server is back", () =>
  Effect.gen(function*() {
    const life = yield* Scope.make()
    const first = yield* Scope.provide(listeningServer(), life)
    const sluice: SluiceConnection = yield* Effect.acquireRelease(
      Effect.promise(() => connect({ url: `http://localhost:${first.port}` })),
      (sluice) => Effect.promise(() => sluice.close())
    )
    first.kill("SIGKILL")
    yield* first.ended
    assert.instanceOf(yield* rejection(sluice.health()), RpcClientError)
    yield* readyServer({ env: { PORT: String(first.port) } })
    const health = yield* Effect.tryPromise(() => sluice.health()).pipe(
      Effect.retry({ schedule: Schedule.spaced("50 millis") }),
      Effect.timeout("30 seconds")
    )
    assert.include(health.active_models, "iris@v1")
  }))
