import { assert, describe, it } from "@effect/vitest"
import {
  DeadlineExceeded,
  InternalError,
  InvalidInput,
  MalformedRequest,
  MethodNotAllowed,
  ModelNotReady,
  Overloaded,
  PayloadTooLarge,
  type SluiceError,
  Unauthenticated,
  UnsupportedMediaType
} from "@sluice/domain/Errors"
import { errorResponse } from "@sluice/server/http/Answer"
import { surfaceOf } from "@sluice/server/http/Surface"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

const told = async (error: SluiceError, path: string) => {
  const response = HttpServerResponse.toWeb(errorResponse(error, path, "id-1"))
  const body: unknown = await response.json()
  return { status: response.status, headers: Object.fromEntries(response.headers), body }
}

describe("surfaceOf", () => {
  it("is told by the path", () => {
    for (const path of ["/v2", "/v2/", "/v2/models/x/infer"]) assert.strictEqual(surfaceOf(path), "oip", path)
    for (const path of ["/v1/embeddings", "/v1/"]) assert.strictEqual(surfaceOf(path), "openai", path)
    for (const path of ["/", "/v2x", "/v10/models", "/api/v1/predict", "/models", "/api/v2"]) {
      assert.strictEqual(surfaceOf(path), "own", path)
    }
  })
})

describe("errorResponse", () => {
  const missing = new MalformedRequest({ field: "texts.0", detail: "Expected string" })

  it("is problem details on the platform's own routes", async () => {
    const { body, headers, status } = await told(missing, "/api/v1/predict")
    assert.deepStrictEqual([status, headers["content-type"]], [400, "application/problem+json"])
    assert.deepStrictEqual(body, {
      type: "urn:sluice:error:malformed_request",
      title: "Malformed request",
      status: 400,
      detail: "texts.0: Expected string",
      instance: "/api/v1/predict",
      code: "malformed_request",
      request_id: "id-1"
    })
  })

  it("is a sentence in the Open Inference Protocol", async () => {
    const { body, headers, status } = await told(missing, "/v2/models/x/infer")
    assert.deepStrictEqual([status, headers["content-type"]], [400, "application/json"])
    assert.deepStrictEqual(body, { error: "texts.0: Expected string" })
  })

  it("has the parameter in OpenAI's shape", async () => {
    const { body } = await told(missing, "/v1/embeddings")
    assert.deepStrictEqual(body, {
      error: {
        message: "texts.0: Expected string",
        type: "invalid_request_error",
        param: "texts.0",
        code: "malformed_request"
      }
    })
  })

  it("tells OpenAI's clients whose fault it was", async () => {
    const typeOf = async (error: SluiceError) => {
      const { body } = await told(error, "/v1/embeddings")
      return (body as { readonly error: { readonly type: string } }).error.type
    }
    assert.strictEqual(await typeOf(new Unauthenticated()), "authentication_error")
    assert.strictEqual(await typeOf(new InvalidInput({ detail: "no" })), "invalid_request_error")
    assert.strictEqual(await typeOf(new InternalError()), "server_error")
    assert.strictEqual(await typeOf(new DeadlineExceeded({ timeoutMs: 5 })), "server_error")
  })

  it("says in a header what clients act on", async () => {
    const headersOf = async (error: SluiceError) => (await told(error, "/models")).headers
    assert.propertyVal(await headersOf(new MethodNotAllowed({ allow: ["GET", "HEAD"] })), "allow", "GET, HEAD")
    assert.propertyVal(await headersOf(new Unauthenticated()), "www-authenticate", "Bearer")
    assert.propertyVal(await headersOf(new UnsupportedMediaType({ accepted: ["a/b", "c/d"] })), "accept", "a/b, c/d")
    assert.propertyVal(await headersOf(new PayloadTooLarge({ limitBytes: 1 })), "connection", "close")
  })

  it("rounds the wait up to whole seconds, of which there is at least one", async () => {
    const waitOf = async (retryAfterMs: number) =>
      (await told(new Overloaded({ model: "m", version: "v", retryAfterMs }), "/models")).headers["retry-after"]
    assert.deepStrictEqual(
      [await waitOf(0), await waitOf(1), await waitOf(1000), await waitOf(1001)],
      ["1", "1", "1", "2"]
    )
    const loading = new ModelNotReady({ model: "m", version: "v", state: "loading", retryAfterMs: 5000 })
    assert.propertyVal((await told(loading, "/v2/models/m")).headers, "retry-after", "5")
  })
})
