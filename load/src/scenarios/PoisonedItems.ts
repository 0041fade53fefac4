/**
 * One request in twenty makes the model fail: token ids that it does not have. The others must not notice.
 */
import type { Bench } from "../Bench.ts"
import { type Traffic, uncached } from "../generators/Traffic.ts"
import { endedPerSecond, ends, isAnswered, type Shot } from "../generators/VegetaResults.ts"
import { reviews } from "../Inputs.ts"
import { tokenized } from "../references/RawLoop.ts"
import { cosine, ratios } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { embeddingsHere } from "./TextServers.ts"

const callers = 32
const length = 16
const every = 20
/** MiniLM's vocabulary has 30,522. */
const unknownToken = 40_000
const output = "sentence_embedding"

/** Raw tensors, which no tokenizer has checked. */
const bodyOf = (ids: ReadonlyArray<number>): string => {
  const tensor = (name: string, data: ReadonlyArray<number>) => ({ name, shape: [1, length], datatype: "INT64", data })
  return JSON.stringify({
    inputs: [
      tensor("input_ids", ids),
      tensor("attention_mask", ids.map(() => 1)),
      tensor("token_type_ids", ids.map(() => 0))
    ],
    outputs: [{ name: output }]
  })
}

/** Throws where the answer is not one. */
const embeddingOf = (body: string): ReadonlyArray<number> => {
  const answer: { readonly outputs: ReadonlyArray<{ readonly name: string; readonly data: ReadonlyArray<number> }> } =
    JSON.parse(body)
  const found = answer.outputs.find(({ name }) => name === output)
  if (found === undefined) throw new Error(`the answer has no ${output}: ${body.slice(0, 200)}`)
  return found.data
}

const expectedOf = async (
  url: string,
  bodies: ReadonlyArray<string>
): Promise<ReadonlyArray<ReadonlyArray<number>>> => {
  const expected = []
  for (const body of bodies) {
    const response = await fetch(url, { method: "POST", headers: uncached, body })
    if (!response.ok) throw new Error(`a good request is answered with ${response.status}: ${await response.text()}`)
    expected.push(embeddingOf(await response.text()))
  }
  return expected
}

const poison = "poison"

export const poisonedItems: Scenario = {
  name: "poison",
  about:
    "5 % of the requests make the model fail, 32 callers; the others' answers, and the throughput against none such",
  run: async (bench: Bench) => {
    const version = embeddingsHere()
    /** int8 answers depend on the batch by their nature; another row's answer is still told from them. */
    const leastCosine = version["precision"] === "int8" ? 0.9 : 0.9999
    const { seconds } = bench.options
    const sluice = await bench.sluice({ models: { embeddings: version } })
    const url = `${sluice.url}/v2/models/embeddings/infer`
    const sequences = tokenized(version.path, reviews(2000)).items.filter((ids) => ids.length >= length)
      .slice(0, 190).map((ids) => ids.slice(0, length))
    const bodies = sequences.map(bodyOf)
    const expected = await expectedOf(url, bodies)
    const good = bodies.map((body, i) => ({ body, tag: `row=${i}` }))
    const bad = { body: bodyOf(sequences[0]!.map((id, k) => (k === 3 ? unknownToken : id))), tag: poison }
    const clean: Traffic = { url, requests: good, headers: uncached }
    const poisoned: Traffic = {
      ...clean,
      requests: good.flatMap((request, i) => (i % (every - 1) === every - 2 ? [request, bad] : [request]))
    }
    const isCorrect = (shot: Shot): boolean => {
      const row = Number(shot.tag.split("=")[1])
      return isAnswered(shot) && cosine(embeddingOf(shot.body.toString()), expected[row]!) >= leastCosine
    }
    await bench.warmUp(callers, clean)
    const run = (traffic: Traffic) => async () => {
      const shots = await bench.vegeta(traffic, { callers, seconds }, { keepBodies: true })
      const wholesome = shots.filter(({ tag }) => tag !== poison)
      const correct = new Set(wholesome.filter(isCorrect))
      return {
        shots,
        share: correct.size / wholesome.length,
        rate: endedPerSecond(shots, seconds, (shot) => correct.has(shot))
      }
    }
    const rounds = await bench.rounds({ clean: run(clean), poisoned: run(poisoned) })
    const rates = (runs: ReadonlyArray<{ readonly rate: number }>) => runs.map(({ rate }) => rate)
    bench.measured("clean, right answers", "requests/s", rates(rounds.clean))
    bench.measured("5 % poisoned, right answers", "requests/s", rates(rounds.poisoned))
    bench.demand("good_answered_right", "", rounds.poisoned.map(({ share }) => share))
    bench.demand("throughput_over_clean", "", ratios(rates(rounds.poisoned), rates(rounds.clean)))
    const all = rounds.poisoned.flatMap(({ shots }) => shots)
    bench.note(`poisoned ended with ${ends(all.filter(({ tag }) => tag === poison))}`)
    bench.note(`the others ended with ${ends(all.filter(({ tag }) => tag !== poison))}`)
    bench.note(
      `right is a cosine of ${leastCosine} or more to the answer alone; the model is ${String(version["precision"])}`
    )
  }
}
