/**
 * The documentation pages, made of the API's own description and of assets that ship: they work without internet.
 */
import type { SluiceApi } from "@sluice/api/SluiceApi"
import * as Effect from "effect/Effect"
import * as HttpApiSwagger from "effect/http-api/HttpApiSwagger"
import * as OpenApi from "effect/http-api/OpenApi"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { readFile } from "node:fs/promises"
import { json } from "./Answer.ts"

const redocScript = new URL("../../assets/redoc/redoc.standalone.js", import.meta.url)

const redocPage = `<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8" />
  <meta name="viewport" content="width=device-width, initial-scale=1" />
  <title>Sluice API</title>
  <style>body { margin: 0 }</style>
</head>
<body>
  <div id="redoc"></div>
  <script src="/redoc.standalone.js"></script>
  <script>Redoc.init("/openapi.json", { disableSearch: false, hideDownloadButton: false }, document.getElementById("redoc"))</script>
</body>
</html>
`

/** The pages ask this server alone, whatever their scripts would like to fetch from elsewhere. */
const policy = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "worker-src blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

const selfContained = HttpRouter.middleware((page) =>
  Effect.map(
    page,
    HttpServerResponse.setHeaders({
      "content-security-policy": policy,
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff"
    })
  )
).layer

/** Swagger UI, on a router of its own that is made for its first reader: its assets take 40 ms that no start should wait for. */
const swaggerPage = (api: SluiceApi) =>
  HttpRouter.use((router) =>
    Effect.gen(function*() {
      const page = yield* Effect.cached(
        Effect.gen(function*() {
          const own = yield* HttpRouter.make
          yield* Effect.provideService(
            Layer.build(HttpApiSwagger.layer(api, { path: "/docs" })),
            HttpRouter.HttpRouter,
            own
          )
          return own.asHttpEffect()
        }).pipe(Effect.scoped)
      )
      yield* router.add("GET", "/docs", Effect.orDie(Effect.flatten(page)))
    })
  )

/** `/docs` (Swagger UI), `/redoc` (ReDoc) and `/openapi.json`. */
export const docsPages = (api: SluiceApi) =>
  Layer.mergeAll(
    swaggerPage(api),
    HttpRouter.add("GET", "/openapi.json", Effect.sync(() => json(OpenApi.fromApi(api)))),
    HttpRouter.add("GET", "/redoc", Effect.sync(() => HttpServerResponse.html(redocPage))),
    HttpRouter.add(
      "GET",
      "/redoc.standalone.js",
      Effect.map(Effect.promise(() => readFile(redocScript)), (script) =>
        HttpServerResponse.uint8Array(script, {
          contentType: "text/javascript",
          headers: { "cache-control": "public, max-age=86400" }
        }))
    )
  ).pipe(Layer.provide(selfContained))
