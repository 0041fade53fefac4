/**
 * The limit: onnxruntime-node in a plain loop, without HTTP, queues or anything else.
 */
import { Tokenizer } from "@huggingface/tokenizers"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import onnxruntime from "onnxruntime-node"
import { featureRows, texts } from "./Inputs.ts"

const models = fileURLToPath(new URL("../../config/models/", import.meta.url))
const oneThread = { intraOpNumThreads: 1, interOpNumThreads: 1 }

/** Rows a second of one session of one thread, in batches of that size. */
export const rawRows = async (batchSize: number, seconds: number): Promise<number> => {
  const session = await onnxruntime.InferenceSession.create(`${models}breast-cancer/model.onnx`, oneThread)
  const data = Float32Array.from(featureRows(batchSize).flat())
  const ends = performance.now() + seconds * 1000
  let rows = 0
  while (performance.now() < ends) {
    await session.run({ features: new onnxruntime.Tensor("float32", data, [batchSize, 30]) })
    rows += batchSize
  }
  await session.release()
  return rows / seconds
}

const tokenized = (count: number): ReadonlyArray<ReadonlyArray<number>> => {
  const folder = `${models}sentiment_v2/`
  const read = (name: string): object => JSON.parse(readFileSync(folder + name, "utf8"))
  const tokenizer = new Tokenizer(read("tokenizer.json"), read("tokenizer_config.json"))
  return texts(count).map((text) => tokenizer.encode(text).ids.slice(0, 256))
}

const embedLoop = async (seconds: number): Promise<number> => {
  const session = await onnxruntime.InferenceSession.create(`${models}sentiment_v2/model.onnx`, oneThread)
  const inputs = tokenized(200)
  const tensor = (values: ReadonlyArray<number>) =>
    new onnxruntime.Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length])
  const ends = performance.now() + seconds * 1000
  let done = 0
  while (performance.now() < ends) {
    const ids = inputs[done % inputs.length]!
    await session.run({
      input_ids: tensor(ids),
      attention_mask: tensor(ids.map(() => 1)),
      token_type_ids: tensor(ids.map(() => 0))
    })
    done++
  }
  return done / seconds
}

/** Texts a second of as many sessions of one thread as there are cores, each in its own worker, batches of one. */
export const rawTexts = async (sessions: number, seconds: number): Promise<number> => {
  const counts = Array.from({ length: sessions }, async () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { seconds } })
    const [count]: ReadonlyArray<number> = await once(worker, "message")
    return count ?? NaN
  })
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
}

if (!isMainThread) parentPort?.postMessage(await embedLoop(workerData.seconds))
