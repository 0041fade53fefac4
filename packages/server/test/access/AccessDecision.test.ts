/**
 * Who may use which route: the rules of all of them, and what they mean.
 */
import { assert, describe, it } from "@effect/vitest"
import { openPaths, routeRule, routeRules, rpcRule, rpcRules } from "@sluice/api/Access"
import { makeSluiceApi } from "@sluice/api/SluiceApi"
import { RpcAccess, SluiceRpcs } from "@sluice/api/SluiceRpcs"
import { refusalOf, visible } from "@sluice/server/access/AccessDecision"
import { anonymous, type Principal, type Role, tokenHolder } from "@sluice/server/access/Principal"

const routes = Object.values(makeSluiceApi("/api/v1").groups).flatMap((group) =>
  Object.values(group.endpoints).map((endpoint) => ({
    name: `${endpoint.method} ${endpoint.path}`,
    path: endpoint.path,
    group: group.identifier,
    endpoint: endpoint.identifier,
    rule: routeRule(group.identifier, endpoint.identifier)
  }))
)

const principal = (roles: ReadonlyArray<Role>, models?: ReadonlyArray<string>): Principal => ({
  id: "someone",
  roles: new Set(roles),
  models: models === undefined ? undefined : new Set(models),
  limits: undefined
})

/** The routes that let such a key in; those that name a model name `iris`. */
const open = (caller: Principal) =>
  routes.filter(({ rule }) => rule !== "open" && refusalOf(caller, rule, "iris") === undefined).map(({ name }) => name)

const checksKey = (middlewares: ReadonlySet<unknown>): boolean => middlewares.has(RpcAccess)

const changes = [
  "POST /api/v1/inference/warmup",
  "DELETE /api/v1/inference/cache/clear",
  "PUT /api/v1/registry",
  "GET /api/v1/audit",
  "POST /api/v1/models/:model/rollout",
  "POST /v2/repository/models/:model/load",
  "POST /v2/repository/models/:model/unload"
]

const calls = [
  "POST /api/v1/predict",
  "POST /api/v1/inference/predict",
  "POST /v2/models/:model/infer",
  "POST /v2/models/:model/versions/:version/infer",
  "POST /v1/embeddings"
]

const reads = [
  "GET /api/v1/inference/cache/stats",
  "GET /api/v1/registry",
  "GET /api/v1/registry/status",
  "GET /api/v1/models/:model/rollout"
]

describe("the rules", () => {
  it.each(routes.map(({ endpoint, group, name }) => [name, group, endpoint] as const))(
    "say whom %s answers",
    (_, group, endpoint) => assert.property(routeRules[group], endpoint)
  )

  it("say of no route that is not there", () => {
    const known = Object.entries(routeRules).flatMap(([group, rules]) =>
      Object.keys(rules).map((name) => [group, name])
    )
    assert.sameDeepMembers(known, routes.map(({ endpoint, group }) => [group, endpoint]))
  })

  it("leave open what is answered before a key is asked for, and no more", () => {
    for (const { name, path, rule } of routes) assert.strictEqual(rule === "open", openPaths.has(path), name)
  })

  it("say whom each RPC call answers that checks a key", () => {
    const checked = [...SluiceRpcs.requests.values()].filter(({ middlewares }) => checksKey(middlewares))
    assert.sameMembers(Object.keys(rpcRules), checked.map(({ _tag }) => _tag))
  })

  it("ask for admin, and for all models, where nothing is said", () => {
    for (
      const rule of [
        routeRule("nope", "nope"),
        routeRule("models", "nope"),
        routeRule("models", "toString"),
        rpcRule("x")
      ]
    ) {
      if (rule === "open") return assert.fail("it is open")
      assert.isUndefined(refusalOf(tokenHolder, rule))
      assert.strictEqual(refusalOf(principal(["predict", "read"]), rule)?._tag, "Forbidden")
      assert.strictEqual(refusalOf(principal(["admin"], ["iris"]), rule)?._tag, "Forbidden")
    }
  })
})

describe("a key", () => {
  const all = routes.filter(({ rule }) => rule !== "open").map(({ name }) => name)

  it("of an admin, and whoever calls a server without keys, may use every route", () => {
    for (const caller of [principal(["admin"]), tokenHolder, anonymous]) assert.sameMembers([...open(caller)], all)
  })

  it("for predicting calls models, and sees what they are", () => {
    const allowed = open(principal(["predict"]))
    assert.includeMembers([...allowed], [...calls, "GET /models", "GET /v1/models", "GET /v2/models/:model"])
    for (const name of [...changes, ...reads]) assert.notInclude(allowed, name)
  })

  it("for reading sees everything, and calls and changes nothing", () => {
    const allowed = open(principal(["read"]))
    assert.includeMembers([...allowed], [...reads, "GET /models", "GET /v1/models", "GET /v2/models/:model"])
    for (const name of [...changes, ...calls]) assert.notInclude(allowed, name)
  })

  it("for some models changes and sees those, and nothing that is about all", () => {
    const allowed = open(principal(["admin"], ["iris"]))
    assert.includeMembers([...allowed], [
      "POST /v2/repository/models/:model/load",
      "POST /api/v1/models/:model/rollout"
    ])
    for (const name of ["PUT /api/v1/registry", "GET /api/v1/registry", "GET /api/v1/audit"]) {
      assert.notInclude(allowed, name)
    }
  })

  it("for some models does not learn whether another is there", () => {
    for (const { name, rule } of routes) {
      if (rule === "open" || rule.models !== "named") continue
      const refused = refusalOf(principal(["admin"], ["iris"]), rule, "gpt")
      assert.strictEqual(refused?._tag, "ModelNotFound", name)
    }
  })

  it("for some models sees those in a list", () => {
    const listed = [{ name: "iris" }, { name: "gpt" }, { name: "iris" }]
    assert.deepStrictEqual(visible(principal(["read"], ["iris"]), listed), [{ name: "iris" }, { name: "iris" }])
    assert.deepStrictEqual(visible(principal(["read"]), listed), listed)
  })
})
