import { assert, describe, it } from "@effect/vitest"
import { OipInferRequest } from "@sluice/api/OipApi"
import { EmbeddingsRequest } from "@sluice/api/OpenAiApi"
import { PredictRequest } from "@sluice/domain/PredictRequest"
import { Datatype } from "@sluice/domain/Tensor"
import { decodeEmbeddings } from "@sluice/server/direct/EmbeddingsDecode"
import { decodeInfer } from "@sluice/server/direct/OipDecode"
import { decodePredict } from "@sluice/server/direct/PredictDecode"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"

/** What JSON.parse gives, and nothing else does: members named `__proto__`, numbers beyond every limit. */
const asParsed = <A>(arbitrary: fc.Arbitrary<A>) => arbitrary.map((value): unknown => JSON.parse(JSON.stringify(value)))

const strange = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    "",
    0,
    -1,
    1.5,
    Infinity,
    2 ** 53,
    true,
    [],
    {},
    [[]],
    [null],
    JSON.parse(`{"__proto__":1}`)
  ),
  asParsed(fc.jsonValue({ maxDepth: 2 }))
)

/** A value that is mostly right. */
const member = (right: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 40, arbitrary: right }, { weight: 1, arbitrary: strange })

const body = (members: Readonly<Record<string, fc.Arbitrary<unknown>>>) =>
  fc.record({ ...members, unknown: strange }, { requiredKeys: [] })

const name = fc.stringMatching(/^[a-z][a-z0-9._-]{0,5}$/)
const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))
const parameters = fc.dictionary(fc.string({ maxLength: 4 }), member(fc.oneof(number, fc.string(), fc.boolean())))

const input = fc.record({
  name: member(name),
  shape: member(fc.array(fc.nat({ max: 9 }), { maxLength: 33 })),
  datatype: member(fc.constantFrom(...Datatype.literals)),
  data: member(fc.array(member(number))),
  parameters: member(parameters)
}, { requiredKeys: ["name", "shape", "datatype", "data"] })

const infers = body({
  id: member(fc.string()),
  parameters: member(parameters),
  inputs: member(fc.array(member(input), { maxLength: 3 })),
  outputs: member(fc.array(member(fc.oneof(fc.record({ name: member(name) }), fc.record({ name, parameters })))))
})

const feature = member(fc.oneof(number, fc.string(), fc.boolean(), fc.constant(null)))

const predicts = body({
  id: member(name),
  model: member(name),
  model_version: member(name),
  texts: member(fc.array(member(fc.string()))),
  features: member(fc.array(member(fc.array(feature)))),
  records: member(fc.array(member(fc.dictionary(fc.string({ maxLength: 4 }), feature)))),
  return_probabilities: member(fc.boolean()),
  use_cache: member(fc.boolean()),
  timeout_ms: member(fc.integer({ min: 0, max: 4_000_000 })),
  priority: member(fc.constantFrom("high", "normal", "low", "urgent")),
  partial: member(fc.boolean()),
  consistent: member(fc.boolean())
})

const tokens = fc.array(member(fc.nat()), { maxLength: 4 })

const embeddings = body({
  model: member(name),
  input: member(fc.oneof(fc.string(), fc.array(member(fc.string())), tokens, fc.array(member(tokens)))),
  encoding_format: member(fc.constantFrom("float", "base64")),
  dimensions: member(fc.nat()),
  user: member(fc.string())
})

/** How many of the bodies were decoded: what is never sure would hold the property as well. */
const decodesAsTheSchema = <A, E>(
  decode: (body: unknown) => A | undefined,
  schema: Schema.Codec<A, E>,
  bodies: fc.Arbitrary<unknown>
): number => {
  const bySchema = Schema.decodeUnknownResult(schema)
  let decoded = 0
  fc.assert(
    fc.property(bodies, (body) => {
      const quick = decode(body)
      if (quick === undefined) return
      decoded++
      assert.deepStrictEqual(Result.getOrThrow(bySchema(body)), quick)
    }),
    { numRuns: 3000 }
  )
  return decoded
}

describe("what a quick decoder is sure of, the schema decodes to the same", () => {
  it("infer requests", () => {
    assert.isAbove(decodesAsTheSchema(decodeInfer, OipInferRequest, infers), 100)
  })

  it("predict requests", () => {
    assert.isAbove(decodesAsTheSchema(decodePredict, PredictRequest, predicts), 100)
  })

  it("embeddings requests", () => {
    assert.isAbove(decodesAsTheSchema(decodeEmbeddings, EmbeddingsRequest, embeddings), 100)
  })

  it("bodies that are no objects", () => {
    for (const body of [null, [], "", 1, true, undefined]) {
      assert.deepStrictEqual([decodeInfer(body), decodePredict(body), decodeEmbeddings(body)], Array(3).fill(undefined))
    }
  })
})
