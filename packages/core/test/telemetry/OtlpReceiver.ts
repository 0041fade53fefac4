/**
 * A collector for a test: takes OTLP over HTTP in JSON and keeps what it was sent. Or one that misbehaves.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import { createServer } from "node:http"
import { text } from "node:stream/consumers"

/** opentelemetry-proto, trace/v1/trace.proto, in its JSON mapping; as much of it as the tests look at. */
const Value = Schema.Struct({
  stringValue: Schema.optionalKey(Schema.String),
  intValue: Schema.optionalKey(Schema.Int)
})
const Attribute = Schema.Struct({ key: Schema.String, value: Value })
const Span = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.optionalKey(Schema.String),
  name: Schema.String,
  attributes: Schema.Array(Attribute),
  links: Schema.Array(Schema.Struct({ traceId: Schema.String, spanId: Schema.String })),
  status: Schema.Struct({ code: Schema.Int })
})
const Request = Schema.Struct({
  resourceSpans: Schema.Array(Schema.Struct({
    resource: Schema.Struct({ attributes: Schema.Array(Attribute) }),
    scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Span) }))
  }))
})
export type ReceivedSpan = typeof Span.Type

export type Behaviour = "accept" | "refuse" | "hang" | "unavailable"

export interface OtlpReceiver {
  readonly url: string
  readonly requests: ReadonlyArray<{ readonly path: string; readonly body: typeof Request.Type }>
  readonly spans: () => ReadonlyArray<ReceivedSpan>
  behave: (behaviour: Behaviour) => void
}

const statuses: Readonly<Record<Exclude<Behaviour, "hang">, number>> = { accept: 200, refuse: 400, unavailable: 503 }

export const otlpReceiver: Effect.Effect<OtlpReceiver, never, Scope.Scope> = Effect.gen(function*() {
  let behaviour: Behaviour = "accept"
  const requests: Array<OtlpReceiver["requests"][number]> = []
  const server = createServer((request, response) => {
    if (behaviour === "hang") return
    response.statusCode = statuses[behaviour]
    if (behaviour !== "accept") return void response.end()
    void text(request).then((body) => {
      requests.push({ path: request.url ?? "", body: Schema.decodeUnknownSync(Request)(JSON.parse(body)) })
      response.setHeader("Content-Type", "application/json").end("{}")
    })
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
    () =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )
  const address = server.address()
  if (address === null || typeof address === "string") return yield* Effect.die(new Error("no port"))
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    spans: () =>
      requests.flatMap(({ body }) =>
        body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
      ),
    behave: (next) => {
      behaviour = next
    }
  }
})
