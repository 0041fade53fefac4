/**
 * How much the company of a batch changes an answer of the int8 model, and what it costs to compute each text alone.
 */
import { uncached } from "../generators/Traffic.ts"
import { mixedLengths } from "../Inputs.ts"
import { int8Embeddings } from "../processes/Registry.ts"
import type { Running } from "../processes/Server.ts"
import { cosine, mean, ratios } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { predictPath, textTraffic } from "./TextServers.ts"

const callers = 32
const batch = 32
const texts = mixedLengths(128).map(({ text }) => text)

interface Answer {
  readonly results: ReadonlyArray<{ readonly embedding: ReadonlyArray<number> }>
}

const embed = async (
  { url }: Running,
  texts: ReadonlyArray<string>,
  consistent: boolean
): Promise<ReadonlyArray<ReadonlyArray<number>>> => {
  const response = await fetch(`${url}${predictPath}`, {
    method: "POST",
    headers: uncached,
    body: JSON.stringify({ model: "embeddings", texts, ...(consistent ? { consistent } : {}) })
  })
  if (!response.ok) throw new Error(`embeddings are answered with ${response.status}: ${await response.text()}`)
  const answer = await response.json() as Answer
  return answer.results.map(({ embedding }) => embedding)
}

const cosines = async (running: Running, consistent: boolean): Promise<ReadonlyArray<number>> => {
  const found: Array<number> = []
  for (let from = 0; from < texts.length; from += batch) {
    const together = await embed(running, texts.slice(from, from + batch), consistent)
    for (const [i, embedding] of together.entries()) {
      const [alone] = await embed(running, [texts[from + i]!], false)
      found.push(cosine(embedding, alone!))
    }
  }
  return found
}

export const batchInvariance: Scenario = {
  name: "batch-invariance",
  about:
    "int8 MiniLM: cosine of a text's embedding in a request of 32 to its embedding alone, and what consistent: true costs; no demand",
  run: async (bench) => {
    const sluice = await bench.sluice({ models: { embeddings: int8Embeddings() } })
    const traffic = textTraffic(sluice, texts)
    const consistent = {
      ...traffic,
      requests: texts.map((text) => ({
        body: JSON.stringify({ model: "embeddings", texts: [text], consistent: true })
      }))
    }
    await bench.warmUp(callers, traffic, consistent)
    const rounds = await bench.rounds({
      "in company": () => bench.wrk(traffic, callers),
      "consistent: true": () => bench.wrk(consistent, callers)
    })
    const company = rounds["in company"].map(({ requestsPerSecond }) => requestsPerSecond)
    const alone = rounds["consistent: true"].map(({ requestsPerSecond }) => requestsPerSecond)
    for (const isConsistent of [false, true]) {
      const found = await cosines(sluice, isConsistent)
      const what = isConsistent ? "consistent: true" : "in company"
      bench.measured(`${what}: cosine to alone, mean`, "", [mean(found)])
      bench.measured(`${what}: cosine to alone, least`, "", [Math.min(...found)])
    }
    bench.measured("in company", "texts/s", company)
    bench.measured("consistent: true", "texts/s", alone)
    bench.measured("consistent: true, of in company", "", ratios(alone, company))
  }
}
