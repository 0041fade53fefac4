/**
 * Which methods a path answers to, for 405: read off the API's own description.
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

export const makeRouteTable = (api: SluiceApi): RouteTable =>
  Object.entries(OpenApi.fromApi(api).paths).map(([path, item]) => ({
    pattern: patternOf(path),
    methods: methods.filter((method) => item[method] !== undefined).map((method) => method.toUpperCase())
  }))

/** The methods of the path; none when nothing is served there. */
export const allowedMethods = (table: RouteTable, path: string): ReadonlyArray<string> => [
  ...new Set(table.filter((route) => route.pattern.test(path)).flatMap((route) => route.methods))
]
