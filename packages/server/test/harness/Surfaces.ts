/**
 * The three HTTP surfaces: where each is, what it answers, and how it tells what it refuses.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { call, type HttpAnswer, type HttpCall } from "./Http.ts"

export type Request = Omit<HttpCall, "port" | "path">

export interface Refusal {
  readonly status: number
  readonly code: string
  readonly detail: string
}

/** One surface: where it is, a body that it answers, and how it tells errors. */
export interface Surface {
  readonly name: string
  readonly path: string
  readonly good: Readonly<Record<string, unknown>>
  /** Undefined where the body is not of the surface's error shape. */
  readonly refusal: (answer: HttpAnswer) => Partial<Refusal> | undefined
}

const keysAre = (value: unknown, keys: string): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && Object.keys(value).join() === keys

export const own: Surface = {
  name: "predict",
  path: "/api/v1/predict",
  good: { texts: ["fine"] },
  refusal: ({ headers, json, status }) => {
    const body = json()
    return headers["content-type"] === "application/problem+json" &&
        keysAre(body, "type,title,status,detail,instance,code,request_id") && body["status"] === status &&
        body["request_id"] === headers["x-request-id"] && body["instance"] === own.path
      ? { status, code: String(body["code"]), detail: String(body["detail"]) }
      : undefined
  }
}

export const oip: Surface = {
  name: "Open Inference Protocol",
  path: "/v2/models/iris/infer",
  good: { inputs: [{ name: "features", shape: [1, 4], datatype: "FP32", data: [1, 2, 3, 4] }] },
  refusal: ({ json, status }) => {
    const body = json()
    return keysAre(body, "error") ? { status, detail: String(body["error"]) } : undefined
  }
}

export const openAi: Surface = {
  name: "OpenAI",
  path: "/v1/embeddings",
  good: { model: "embeddings", input: "fine" },
  refusal: ({ json, status }) => {
    const body = json()
    if (!keysAre(body, "error") || !keysAre(body["error"], "message,type,param,code")) return undefined
    const { code, message, type } = body["error"]
    return type === "invalid_request_error"
      ? { status, code: String(code), detail: String(message) }
      : undefined
  }
}

/** The same surface through Effect's HTTP: a direct route takes no query, not even an empty one. */
export const indirect = (surface: Surface): Surface => ({
  ...surface,
  name: `${surface.name}, not direct,`,
  path: `${surface.path}?`
})

export const bothWays = (surface: Surface): ReadonlyArray<Surface> => [surface, indirect(surface)]

export const surfaces = [own, oip, openAi].flatMap(bothWays)

export const ask = (surface: Surface, request: Request) => call({ path: surface.path, ...request })

/** The surface answers a good request, still. */
export const answers = (surface: Surface) =>
  Effect.map(ask(surface, { body: surface.good }), ({ status, text }) => assert.strictEqual(status, 200, text))

export const refuses = Effect.fnUntraced(function*(surface: Surface, request: Request, expected: Partial<Refusal>) {
  const answer = yield* ask(surface, request)
  const refusal = surface.refusal(answer)
  assert.isDefined(refusal, answer.text)
  assert.strictEqual(refusal?.status, expected.status, answer.text)
  if (refusal?.code !== undefined && expected.code !== undefined) assert.strictEqual(refusal.code, expected.code)
  assert.include(refusal?.detail, expected.detail ?? "")
})

export const malformed = (detail: string): Partial<Refusal> => ({ status: 400, code: "malformed_request", detail })
export const invalid = (detail: string): Partial<Refusal> => ({ status: 422, code: "invalid_input", detail })
export const tooLarge: Partial<Refusal> = {
  status: 413,
  code: "payload_too_large",
  detail: "larger than 8388608 bytes"
}

/** Lists in lists, so deep. */
export const nested = (depth: number, inner = "") => "[".repeat(depth) + inner + "]".repeat(depth)
