/**
 * Who needs a key where: the routes that are open, and the headers that carry a key.
 */

/** What probes and scrapers ask, and the documents: answered without a key. */
export const openPaths: ReadonlySet<string> = new Set([
  "/health",
  "/livez",
  "/readyz",
  "/readiness",
  "/metrics",
  "/docs",
  "/redoc",
  "/redoc.standalone.js",
  "/openapi.json",
  "/v2/health/live",
  "/v2/health/ready"
])

const securitySchemes = {
  bearer: { type: "http", scheme: "bearer" },
  token: { type: "apiKey", in: "header", name: "X-Token" },
  apiKey: { type: "apiKey", in: "header", name: "X-API-Key" }
}

/** One of them, or none where the server has no key. */
const security = [{}, ...Object.keys(securitySchemes).map((name) => ({ [name]: [] }))]

interface Description {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, object>>>>
  readonly components?: object
}

/** An OpenAPI description that also says which routes take a key, so that its pages can send one. */
export const describeAccess = (description: Description): Record<string, unknown> => ({
  ...description,
  components: { ...description.components, securitySchemes },
  paths: Object.fromEntries(
    Object.entries(description.paths ?? {}).map(([path, operations]) => [
      path,
      Object.fromEntries(
        Object.entries(operations).map(([method, operation]) => [
          method,
          { ...operation, security: openPaths.has(path) ? [] : security }
        ])
      )
    ])
  )
})
