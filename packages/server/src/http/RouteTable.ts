/**
 * Which methods a path answers to, for 405: read off the API's own description, and for what stands beside it.
 */
import type { SluiceApi } from "@sluice/api/SluiceApi"
import * as OpenApi from "effect/http-api/OpenApi"

interface RouteEntry {
  readonly pattern: RegExp
  readonly methods: ReadonlyArray<string>
}

export type RouteTable = ReadonlyArray<RouteEntry>

const methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"] as const

const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{[^/}]+\}/g, "[^/]+")}/?$`)

/** Pages and transports, which the description does not have. */
const beside: Readonly<Record<string, ReadonlyArray<string>>> = {
  "/docs": ["GET"],
  "/redoc": ["GET"],
  "/redoc.standalone.js": ["GET"],
  "/openapi.json": ["GET"],
  "/metrics": ["GET"],
  "/rpc": ["POST"],
  "/rpc/ws": ["GET"]
}

/** Whatever answers GET answers HEAD. */
const withHead = (methods: ReadonlyArray<string>): ReadonlyArray<string> =>
  methods.flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method])

export const makeRouteTable = (api: SluiceApi): RouteTable => [
  ...Object.entries(OpenApi.fromApi(api).paths).map(([path, item]) => ({
    pattern: patternOf(path),
    methods: withHead(
      methods.filter((method) => item[method] !== undefined).map((method) => method.toUpperCase())
    )
  })),
  ...Object.entries(beside).map(([path, methods]) => ({ pattern: patternOf(path), methods: withHead(methods) }))
]

/** The methods of the path; none when nothing is served there. */
export const allowedMethods = (table: RouteTable, path: string): ReadonlyArray<string> => [
  ...new Set(table.filter((route) => route.pattern.test(path)).flatMap((route) => route.methods))
]
