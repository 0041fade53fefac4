import { assert, describe, it } from "@effect/vitest"
import { makeSluiceApi } from "@sluice/api/SluiceApi"
import { allowedMethods, makeRouteTable } from "@sluice/server/http/RouteTable"

const table = makeRouteTable(makeSluiceApi("/my.api/v9"))

describe("allowedMethods", () => {
  it("knows the routes of the description, under the prefix that is configured", () => {
    assert.deepStrictEqual(allowedMethods(table, "/my.api/v9/predict"), ["POST"])
    assert.deepStrictEqual(allowedMethods(table, "/my.api/v9/inference/cache/clear"), ["DELETE"])
    assert.deepStrictEqual(allowedMethods(table, "/api/v1/predict"), [])
  })

  it("takes a prefix as it is written, and no pattern", () => {
    assert.deepStrictEqual(allowedMethods(table, "/myxapi/v9/predict"), [])
  })

  it("fills in the names in a path, one part each", () => {
    for (const path of ["/v2/models/iris", "/v2/models/a%2Fb", "/v2/models/iris/versions/v1"]) {
      assert.deepStrictEqual(allowedMethods(table, path), ["GET", "HEAD"], path)
    }
    assert.deepStrictEqual(allowedMethods(table, "/v2/models/iris/infer"), ["POST"])
    for (const path of ["/v2/models/", "/v2/models/iris/versions", "/v2/models/a/b/c/d/e"]) {
      assert.deepStrictEqual(allowedMethods(table, path), [], path)
    }
  })

  it("answers HEAD wherever it answers GET, and a slash at the end is no other path", () => {
    assert.deepStrictEqual(allowedMethods(table, "/health"), ["GET", "HEAD"])
    assert.deepStrictEqual(allowedMethods(table, "/health/"), ["GET", "HEAD"])
  })

  it("knows the pages and transports beside the description", () => {
    for (const path of ["/docs", "/redoc", "/openapi.json", "/metrics"]) {
      assert.deepStrictEqual(allowedMethods(table, path), ["GET", "HEAD"], path)
    }
    assert.deepStrictEqual(allowedMethods(table, "/rpc"), ["POST"])
  })
})
