/**
 * A worker thread with one onnxruntime session, which runs batches in a plain loop when it is told to.
 */
import { once } from "node:events"
import { parentPort, workerData } from "node:worker_threads"
import onnxruntime, { type InferenceSession } from "onnxruntime-node"

/** What one item is to the model: the token ids of a text, or a row of features. */
export interface RawItems {
  readonly kind: "tokens" | "features"
  readonly items: ReadonlyArray<ReadonlyArray<number>>
}

export interface RawWork extends RawItems {
  readonly model: string
  readonly threads: number
  readonly batch: number
  /** The item to begin with, so that sessions side by side do not run the same one. */
  readonly first: number
}

/** `seconds` to run for; 0 ends the worker. */
export type RawOrder = number

export interface RawRun {
  readonly items: number
  /** Of each batch, in milliseconds. */
  readonly durationsMs: ReadonlyArray<number>
}

type Feeds = InferenceSession.OnnxValueMapType

const tokenFeeds = (batch: ReadonlyArray<ReadonlyArray<number>>): Feeds => {
  const longest = Math.max(...batch.map((ids) => ids.length))
  const ids = new BigInt64Array(batch.length * longest)
  const mask = new BigInt64Array(batch.length * longest)
  for (const [row, tokens] of batch.entries()) {
    for (const [column, id] of tokens.entries()) {
      ids[row * longest + column] = BigInt(id)
      mask[row * longest + column] = 1n
    }
  }
  const tensor = (data: BigInt64Array) => new onnxruntime.Tensor("int64", data, [batch.length, longest])
  return {
    input_ids: tensor(ids),
    attention_mask: tensor(mask),
    token_type_ids: tensor(new BigInt64Array(ids.length))
  }
}

const featureFeeds = (batch: ReadonlyArray<ReadonlyArray<number>>): Feeds => ({
  features: new onnxruntime.Tensor("float32", Float32Array.from(batch.flat()), [batch.length, batch[0]!.length])
})

const serve = async (work: RawWork): Promise<void> => {
  const session = await onnxruntime.InferenceSession.create(work.model, {
    intraOpNumThreads: work.threads,
    interOpNumThreads: 1
  })
  const feedsOf = work.kind === "tokens" ? tokenFeeds : featureFeeds
  let next = work.first
  const runBatch = async (): Promise<void> => {
    const batch = Array.from({ length: work.batch }, () => work.items[next++ % work.items.length]!)
    await session.run(feedsOf(batch))
  }
  const port = parentPort!
  port.postMessage("ready")
  while (true) {
    const [seconds]: ReadonlyArray<RawOrder> = await once(port, "message")
    if (seconds === undefined || seconds === 0) break
    const ends = performance.now() + seconds * 1000
    const durationsMs: Array<number> = []
    for (let from = performance.now(); from < ends; from = performance.now()) {
      await runBatch()
      durationsMs.push(performance.now() - from)
    }
    port.postMessage({ items: durationsMs.length * work.batch, durationsMs } satisfies RawRun)
  }
  await session.release()
}

const work: RawWork = workerData
await serve(work)
