/**
 * Texts of 5 to 400 tokens in one queue: long ones must neither pad the short ones nor hold them up.
 */
import type { Traffic } from "../generators/Traffic.ts"
import { endedPerSecond, isAnswered, latency } from "../generators/VegetaResults.ts"
import { mixedLengths, textBody } from "../Inputs.ts"
import { eventLoopDelayMs } from "../processes/ServerMetrics.ts"
import { tokenized } from "../references/RawLoop.ts"
import { ratios } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { embeddingsHere, textTraffic } from "./TextServers.ts"

const callers = 32
/** The corpus' median: half of its texts are short. */
const mostShortTokens = 30
const texts = mixedLengths(256)
const isShort = ({ tokens }: { readonly tokens: number }): boolean => tokens <= mostShortTokens

export const mixedLengthTexts: Scenario = {
  name: "mixed-lengths",
  about:
    "texts of 5 to 400 tokens, 32 callers; against raw at its best plan, and the short ones against themselves alone",
  run: async (bench) => {
    const version = embeddingsHere()
    const { seconds } = bench.options
    const raw = await bench.bestRaw(version.path, tokenized(version.path, texts.map(({ text }) => text)))
    const sluice = await bench.sluice({ models: { embeddings: version } })
    const { headers, url } = textTraffic(sluice, [])
    const traffic: Traffic = {
      headers,
      url,
      requests: texts.map((each) => ({ body: textBody(each.text), tag: isShort(each) ? "short" : "long" }))
    }
    const short: Traffic = { headers, url, requests: traffic.requests.filter(({ tag }) => tag === "short") }
    await bench.warmUp(callers, traffic)

    const rounds = await bench.rounds({
      raw: () => raw.run(seconds),
      mixed: async () => {
        await eventLoopDelayMs(sluice.url)
        const shots = await bench.vegeta(traffic, { callers, seconds })
        return { shots, loopMs: await eventLoopDelayMs(sluice.url) }
      },
      "short only": () => bench.vegeta(short, { callers, seconds })
    })
    const rawRate = rounds.raw.map(({ itemsPerSecond }) => itemsPerSecond)
    const mixed = rounds.mixed.map(({ shots }) => shots)
    const rate = mixed.map((shots) => endedPerSecond(shots, seconds, isAnswered))
    const p50 = (tag: string) => mixed.map((shots) => latency(shots.filter((shot) => shot.tag === tag), 50))
    const shortAlone = rounds["short only"].map((shots) => latency(shots, 50))
    bench.measured("raw", "texts/s", rawRate)
    bench.measured("sluice", "texts/s", rate)
    bench.measured("short texts, p50 beside long ones", "ms", p50("short"))
    bench.measured("short texts, p50 without long ones", "ms", shortAlone)
    bench.measured("long texts, p50", "ms", p50("long"))
    bench.measured(
      "requests without an answer",
      "requests",
      mixed.map((each) => each.length - each.filter(isAnswered).length)
    )
    bench.demand("share_of_raw", "", ratios(rate, rawRate))
    bench.demand("short_p50_ratio", "", ratios(p50("short"), shortAlone))
    bench.demand("event_loop_delay_ms", "ms", rounds.mixed.map(({ loopMs }) => loopMs))
    bench.note(`the model is ${String(version["precision"])}; short are texts of at most ${mostShortTokens} tokens`)
  }
}
