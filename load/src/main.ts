/**
 * `npm run bench`: the platform under load beside its limits, interleaved in one run; medians and spread over the rounds.
 */
import { availableParallelism } from "node:os"
import { featureRows, texts } from "./Inputs.ts"
import { rawRows, rawTexts } from "./RawLoop.ts"
import { startEcho, startSluice } from "./Server.ts"
import { wrk, type WrkResult } from "./Wrk.ts"

const rounds = Number(process.env["BENCH_ROUNDS"] ?? 3)
const seconds = Number(process.env["BENCH_SECONDS"] ?? 3)
const concurrencies = [1, 8, 64]
const sluicePort = 18_700
const echoPort = 18_701

const json = { "content-type": "application/json" }
const uncached = { ...json, "cache-control": "no-store" }

const rowBodies = featureRows(64).map((row) => JSON.stringify({ model: "breast-cancer", features: [row] }))
const oipBodies = featureRows(64).map((data) =>
  JSON.stringify({ inputs: [{ name: "features", shape: [1, 30], datatype: "FP32", data }] })
)
const textBodies = texts(200).map((text) => JSON.stringify({ model: "embeddings", texts: [text] }))

const scenarios = [
  { name: "echo, 30 numbers", server: "echo", path: "/", bodies: oipBodies, headers: json },
  {
    name: "breast-cancer, OIP",
    server: "sluice",
    path: "/v2/models/breast-cancer/infer",
    bodies: oipBodies,
    headers: uncached
  },
  { name: "breast-cancer, predict", server: "sluice", path: "/api/v1/predict", bodies: rowBodies, headers: uncached },
  { name: "embeddings, predict", server: "sluice", path: "/api/v1/predict", bodies: textBodies, headers: uncached }
] as const

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

const spread = (values: ReadonlyArray<number>, digits: number): string =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}..${Math.max(...values).toFixed(digits)})`

const print = (...cells: ReadonlyArray<string>): void => {
  process.stdout.write(`| ${cells.join(" | ")} |\n`)
}

const sluice = await startSluice(sluicePort)
const echo = await startEcho(echoPort)
process.stdout.write(`time to /health ${sluice.healthMs.toFixed(0)} ms, to ready ${sluice.readyMs.toFixed(0)} ms\n`)
await new Promise((resolve) => setTimeout(resolve, 3000))
process.stdout.write(`idle memory ${sluice.residentMiB().toFixed(0)} MiB resident\n\n`)

const results = new Map<string, Array<WrkResult>>()
for (let round = 0; round < rounds; round++) {
  for (const connections of concurrencies) {
    for (const { bodies, headers, name, path, server } of scenarios) {
      const url = `${server === "echo" ? echo.url : sluice.url}${path}`
      const result = await wrk({ url, bodies, headers, connections, seconds })
      const key = `${name}|${connections}`
      results.set(key, [...results.get(key) ?? [], result])
    }
  }
}
print("what", "connections", "requests/s", "p50 ms", "p99 ms", "failures", "of echo")
print("---", "---", "---", "---", "---", "---", "---")
for (const { name } of scenarios) {
  for (const connections of concurrencies) {
    const runs = results.get(`${name}|${connections}`) ?? []
    const ratios = runs.map((run, i) =>
      run.requestsPerSecond / (results.get(`${scenarios[0].name}|${connections}`)?.[i]?.requestsPerSecond ?? NaN)
    )
    print(
      name,
      String(connections),
      spread(runs.map((run) => run.requestsPerSecond), 0),
      spread(runs.map((run) => run.p50), 2),
      spread(runs.map((run) => run.p99), 2),
      String(runs.reduce((sum, run) => sum + run.failures, 0)),
      spread(ratios, 3)
    )
  }
}
await sluice.stop()
await echo.stop()

const cores = availableParallelism()
const raw = { one: new Array<number>(), full: new Array<number>(), texts: new Array<number>() }
for (let round = 0; round < rounds; round++) {
  raw.one.push(await rawRows(1, seconds))
  raw.full.push(await rawRows(64, seconds))
  raw.texts.push(await rawTexts(cores, seconds))
}
process.stdout.write(`\nraw onnxruntime, breast-cancer, batches of 1: ${spread(raw.one, 0)} rows/s\n`)
process.stdout.write(`raw onnxruntime, breast-cancer, batches of 64: ${spread(raw.full, 0)} rows/s\n`)
process.stdout.write(
  `raw onnxruntime, embeddings, ${cores} sessions of one thread, batches of 1: ${spread(raw.texts, 0)} texts/s\n`
)
