import { assert, describe, it } from "@effect/vitest"
import { directRoute, isPlain } from "@sluice/server/direct/DirectMatch"

describe("directRoute", () => {
  const routeOf = directRoute("/api/v1")

  it("takes the inference calls", () => {
    for (
      const path of [
        "/api/v1/predict",
        "/v1/embeddings",
        "/v2/models/iris/infer",
        "/v2/models/a.b-c_1/versions/v2/infer"
      ]
    ) assert.isDefined(routeOf(path), path)
  })

  it("leaves every other target, and every other way to write one", () => {
    const targets = [
      "/api/v1/predict/",
      "/api/v1/predict?",
      "/api/v1/inference/predict",
      "//api/v1/predict",
      "http://localhost/api/v1/predict",
      "/v1/embeddings#a",
      "/V1/embeddings",
      "/v2/models/iris/ready",
      "/v2/models/iris/infer/",
      "/v2/models/%69ris/infer",
      "/v2/models/../infer",
      "/v2/models/iris;a=b/infer",
      "/v2/models//infer",
      "/v2/models/iris/versions/infer/infer/infer",
      "/v2/models/iris/versions//infer",
      "/v2/models/iris\n/infer",
      ""
    ]
    for (const target of targets) assert.isUndefined(routeOf(target), target)
  })
})

describe("isPlain", () => {
  const plain = { "content-length": "10", "content-type": "application/json" }

  it("is a JSON body of a length that is told and allowed", () => {
    assert.isTrue(isPlain(plain, 10))
    assert.isTrue(isPlain({ "content-length": "10" }, 10))
    assert.isTrue(isPlain({ ...plain, "content-type": "Application/JSON; charset=utf-8" }, 10))
    assert.isFalse(isPlain(plain, 9))
  })

  it("is nothing that wants more of the connection than an answer", () => {
    for (
      const headers of [
        { "content-length": undefined },
        { "transfer-encoding": "chunked" },
        { "content-encoding": "identity" },
        { expect: "100-continue" },
        { upgrade: "h2c" },
        { "content-type": "text/plain" },
        { "content-type": "" }
      ]
    ) assert.isFalse(isPlain({ ...plain, ...headers }, 10), JSON.stringify(headers))
  })
})
