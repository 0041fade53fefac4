/**
 * Between texts, or their token ids, and a transformer's tensors.
 */
import {
  type Codec,
  InvalidItem,
  type Item,
  type ModelSignature,
  type Prediction,
  type Tensor,
  type TensorMap,
  type TensorSpec
} from "@sluice/plugin-sdk"
import * as Result from "effect/Result"
import type { TextFacts, TextOptions } from "./TextOptions.ts"
import type { TextPlan } from "./TextPlan.ts"
import type { TextTokenizer, Tokens } from "./TextTokenizer.ts"
import { activate, floats } from "./Vectors.ts"

/** What most sentence encoders were trained at. */
export const DEFAULT_MAX_TOKENS = 256

/** What each input that this plugin knows holds for a token, and for padding. */
const inputs: Readonly<Record<string, (tokenizer: TextTokenizer) => { token: number | undefined; padding: number }>> = {
  input_ids: (tokenizer) => ({ token: undefined, padding: tokenizer.padId }),
  attention_mask: () => ({ token: 1, padding: 0 }),
  token_type_ids: () => ({ token: 0, padding: 0 })
}

/** Why the model's inputs are not those of a text model; undefined if they are. */
export const unfitInputs = (signature: Pick<ModelSignature, "inputs">): string | undefined => {
  if (!signature.inputs.some((spec) => spec.name === "input_ids")) return `the model has no input "input_ids"`
  const unknown = signature.inputs.find((spec) => !Object.hasOwn(inputs, spec.name))
  if (unknown !== undefined) return `the model has an input "${unknown.name}" that the text plugin cannot fill`
  const odd = signature.inputs.find((spec) => spec.datatype !== "INT64" && spec.datatype !== "INT32")
  return odd === undefined ? undefined : `input "${odd.name}" has the datatype ${odd.datatype}, expected INT64 or INT32`
}

/** How many tokens a text may have, special ones counted; a sentence if the options ask for more than there can be. */
export const tokenLimit = (
  options: TextOptions,
  facts: TextFacts,
  tokenizer: Pick<TextTokenizer, "longest">
): Result.Result<number, string> => {
  const most = Math.min(facts.positions ?? Infinity, tokenizer.longest ?? Infinity)
  if (options.max_tokens === undefined) return Result.succeed(Math.min(DEFAULT_MAX_TOKENS, most))
  return options.max_tokens > most
    ? Result.fail(`max_tokens is ${options.max_tokens}, but the model reads ${most} tokens at most`)
    : Result.succeed(options.max_tokens)
}

const tensorOf = (spec: TensorSpec, ids: ReadonlyArray<number>, constant: number | undefined): Tensor => {
  const shape = [1, ids.length]
  if (spec.datatype === "INT32") {
    const data = new Int32Array(ids.length)
    for (let i = 0; i < ids.length; i++) data[i] = constant ?? ids[i]!
    return { datatype: "INT32", shape, data }
  }
  const data = new BigInt64Array(ids.length)
  // Ids are small and not negative: the low halves suffice, and a BigInt for each would be made only to be thrown away.
  const low = new Int32Array(data.buffer)
  for (let i = 0; i < ids.length; i++) low[2 * i] = constant ?? ids[i]!
  return { datatype: "INT64", shape, data }
}

const classify = (output: string, labels: ReadonlyArray<string> | undefined, options: TextOptions) => {
  const activation = options.activation ?? (/prob|softmax/i.test(output) ? "none" : "softmax")
  const labelOf = (index: number): string => labels?.[index] ?? `LABEL_${index}`
  return (outputs: TensorMap): Prediction => {
    const values = activate(floats(outputs[output]!), activation)
    const best = values.reduce((winner, value, i) => (value > values[winner]! ? i : winner), 0)
    return {
      prediction: labelOf(best),
      probabilities: Object.fromEntries(values.map((value, i) => [labelOf(i), value]))
    }
  }
}

/** Makes the codec of a text model. `limit` is `tokenLimit`'s, `plan` that of the served signature. */
export const makeTextCodec = (parts: {
  readonly options: TextOptions
  readonly signature: ModelSignature
  readonly plan: TextPlan
  readonly labels: ReadonlyArray<string> | undefined
  readonly tokenizer: TextTokenizer
  readonly limit: number
}): Codec => {
  const { labels, limit, options, plan, signature, tokenizer } = parts
  const special = tokenizer.before.length + tokenizer.after.length
  const room = Math.max(limit - special, 0)
  const fills = signature.inputs.map((spec) => ({ spec, ...inputs[spec.name]!(tokenizer) }))

  const tooLong = (found: number, exhausted: boolean): InvalidItem =>
    new InvalidItem({
      detail: found > room
        ? `the text has ${exhausted ? "" : "at least "}${found + special} tokens, the model takes ${limit}`
        : "the text is too long to be read: it has very few tokens for its many characters"
    })

  const tokensOf = (item: Item): Result.Result<Tokens, InvalidItem> => {
    if (item._tag === "Text") return Result.succeed(tokenizer.tokens(item.text, room))
    if (item._tag !== "Tokens") return Result.fail(new InvalidItem({ detail: "expected a text or its token ids" }))
    const stranger = item.ids.find((id) => !tokenizer.knows(id))
    return stranger === undefined
      ? Result.succeed({ ids: item.ids, exhausted: true })
      : Result.fail(new InvalidItem({ detail: `${stranger} is not the id of a token of this model` }))
  }

  const encode = (item: Item): Result.Result<TensorMap, InvalidItem> =>
    Result.flatMap(tokensOf(item), ({ exhausted, ids }) => {
      if (options.truncate === false && (ids.length > room || !exhausted)) {
        return Result.fail(tooLong(ids.length, exhausted))
      }
      const all = [...tokenizer.before, ...(ids.length > room ? ids.slice(0, room) : ids), ...tokenizer.after]
      const tensors: Record<string, Tensor> = {}
      for (const { spec, token } of fills) tensors[spec.name] = tensorOf(spec, all, token)
      return Result.succeed(tensors)
    })

  return {
    accepts: ["Text", "Tokens"],
    encode,
    decode: plan.task === "text-classification"
      ? classify(plan.output.name, labels, options)
      : (outputs) => ({ embedding: floats(outputs[plan.output.name]!) }),
    cost: (encoded) => encoded["input_ids"]!.shape[1]!,
    padding: Object.fromEntries(fills.map(({ padding, spec }) => [spec.name, padding]))
  }
}
