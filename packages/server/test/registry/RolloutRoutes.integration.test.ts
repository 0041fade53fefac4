/**
 * Rollouts and the model repository over HTTP: their forms, their refusals and what the audit log keeps of them.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { call } from "../harness/Http.ts"
import { metrics } from "../harness/Metrics.ts"
import { TestServer } from "../harness/ServerProcess.ts"
import { irisRegistry } from "./RegistryServer.ts"

const registry = `${
  irisRegistry("v1", "v2")
}    rollout_strategy: { type: canary, canary_percentage: 10, target_version: v2 }
${irisRegistry("v1").replace("models:\n", "").replace("iris:", "pinned:")}`

const path = "/api/v1/models/iris/rollout"

interface Status {
  readonly type: string
  readonly phase: string
  readonly percentage: number
  readonly revision: number
}

interface Problem {
  readonly detail: string
}

interface Entry {
  readonly action: string
  readonly model?: string
  readonly outcome: string
  readonly request_id?: string
}

const status = Effect.map(call({ path }), (answer) => answer.json() as Status)
const code = (answer: { readonly json: () => unknown }) => (answer.json() as { readonly code: string }).code

layer(TestServer.layer({ registry }), { excludeTestServices: true })("rollouts over HTTP", (it) => {
  it.effect("are shown with their revision as the tag", () =>
    Effect.gen(function*() {
      const answer = yield* call({ path })
      const { percentage, phase, revision, type } = answer.json() as Status
      assert.deepStrictEqual([answer.status, type, phase, percentage], [200, "canary", "running", 10])
      assert.strictEqual(answer.headers["etag"], `"${revision}"`)
      assert.strictEqual((yield* call({ path: "/api/v1/models/nope/rollout" })).status, 404)
    }))

  it.effect("are paused, resumed and set by hand, each a new revision", () =>
    Effect.gen(function*() {
      const { revision } = yield* status
      const act = (body: Readonly<Record<string, unknown>>) =>
        Effect.map(call({ path, body }), (answer) => answer.json() as Status)
      assert.strictEqual((yield* act({ action: "pause" })).phase, "paused")
      assert.strictEqual((yield* act({ action: "set_percentage", percentage: 25 })).percentage, 25)
      const resumed = yield* act({ action: "resume" })
      assert.strictEqual(resumed.phase, "running")
      assert.isAbove(resumed.revision, revision)
    }))

  it.effect("are on the metrics page as they stand, with what was done by hand", () =>
    Effect.gen(function*() {
      const decided = `sluice_rollout_decisions_total{model="iris",decision="set_percentage"}`
      const before = (yield* metrics).get(decided) ?? NaN
      yield* call({ path, body: { action: "set_percentage", percentage: 35 } })
      const samples = yield* metrics
      const { phase } = yield* status
      assert.strictEqual(samples.get(decided), before + 1)
      assert.strictEqual(samples.get(`sluice_rollout_phase{model="iris",phase="${phase}"}`), 1)
      assert.strictEqual(samples.get(`sluice_rollout_target_ratio{model="iris",version="v2"}`), 0.35)
      assert.isUndefined(samples.get(`sluice_rollout_phase{model="pinned",phase="running"}`), "it has none that moves")
    }))

  it.effect("are changed only as somebody saw them, where they say so", () =>
    Effect.gen(function*() {
      const { revision } = yield* status
      const pause = (ifMatch: string) =>
        call({ path, body: { action: "pause" }, headers: { "content-type": "application/json", "if-match": ifMatch } })
      const stale = yield* pause(`"${revision - 1}"`)
      assert.deepStrictEqual([stale.status, code(stale)], [412, "revision_conflict"])
      assert.strictEqual((yield* pause("yesterday")).status, 400)
      assert.strictEqual((yield* pause(`"${revision}"`)).status, 200)
      assert.strictEqual((yield* pause("*")).status, 200)
    }))

  it.effect("are refused what they cannot do, and what is no action", () =>
    Effect.gen(function*() {
      const promote = { action: "promote" }
      const pinned = yield* call({ path: "/api/v1/models/pinned/rollout", body: promote })
      assert.deepStrictEqual([pinned.status, code(pinned)], [409, "change_refused"])
      assert.strictEqual((yield* call({ path: "/api/v1/models/nope/rollout", body: promote })).status, 404)
      for (const body of [{ action: "stop" }, { action: 3 }, {}]) {
        const answer = yield* call({ path, body })
        assert.deepStrictEqual([answer.status, code(answer)], [400, "malformed_request"])
        assert.match((answer.json() as Problem).detail, /"action" is "pause" \| .*"set_percentage"/)
      }
    }))

  it.effect("are told the range of a percentage, where theirs is none", () =>
    Effect.gen(function*() {
      for (const wrong of [{ percentage: 101 }, { percentage: -1 }, { percentage: "40" }, {}]) {
        const answer = yield* call({ path, body: { action: "set_percentage", ...wrong } })
        assert.deepStrictEqual([answer.status, code(answer)], [400, "malformed_request"])
        const { detail } = answer.json() as Problem
        assert.match(detail, /percentage.*a number from 0 to 100/)
        assert.notInclude(detail, "action")
      }
    }))

  it.effect("leave each act in the audit log, refused ones too", () =>
    Effect.gen(function*() {
      const headers = { "content-type": "application/json", "x-request-id": "audited" }
      yield* call({ path, body: { action: "set_percentage", percentage: 30 }, headers })
      yield* call({ path: "/api/v1/models/nope/rollout", body: { action: "pause" }, headers })
      const { entries } = (yield* call({ path: "/api/v1/audit?limit=10" })).json() as {
        readonly entries: ReadonlyArray<Entry>
      }
      const own = entries.filter(({ request_id }) => request_id === "audited")
      assert.deepStrictEqual(own.map(({ action, model, outcome }) => [action, model, outcome]), [
        ["rollout.pause", "nope", "refused"],
        ["rollout.set_percentage", "iris", "applied"]
      ])
      for (const limit of ["0", "1001", "x"]) {
        assert.strictEqual((yield* call({ path: `/api/v1/audit?limit=${limit}` })).status, 400, limit)
      }
    }))

  it.effect("the repository lists every version with its state", () =>
    Effect.gen(function*() {
      const expected = [["iris", "v1"], ["iris", "v2"], ["pinned", "v1"]].map(([name, version]) => (
        { name, version, state: "READY", reason: "" }
      ))
      for (const body of [undefined, {}, { ready: true }]) {
        const answer = yield* call({ method: "POST", path: "/v2/repository/index", body })
        assert.deepStrictEqual([answer.status, answer.json()], [200, expected])
      }
      const wrong = yield* call({ path: "/v2/repository/index", body: { ready: "yes" } })
      assert.deepStrictEqual([wrong.status, Object.keys(wrong.json() as object)], [400, ["error"]])
    }))

  it.effect("the repository's refusals have the protocol's form", () =>
    Effect.gen(function*() {
      for (const verb of ["load", "unload"]) {
        const answer = yield* call({ method: "POST", path: `/v2/repository/models/nope/${verb}` })
        assert.deepStrictEqual([answer.status, Object.keys(answer.json() as object)], [404, ["error"]])
        const version = yield* call({
          path: `/v2/repository/models/iris/${verb}`,
          body: { parameters: { version: "v9" } }
        })
        assert.strictEqual(version.status, 404)
      }
      const loaded = yield* call({ method: "POST", path: "/v2/repository/models/iris/load" })
      assert.deepStrictEqual([loaded.status, loaded.json()], [200, { name: "iris", load: true }])
    }))
})
