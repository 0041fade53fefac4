/**
 * What holds of every WorkerLink, whatever its worker is.
 */
import { assert, describe, it } from "@effect/vitest"
import type { StartLink } from "@sluice/core/execution/WorkerLink"
import type { FromWorker, LoadSpec, ToWorker } from "@sluice/core/execution/WorkerProtocol"
import type { TensorMap } from "@sluice/domain/Tensor"
import { orders } from "../fixtures/ScriptedPlugin.ts"

const specOf = (fixture: string, options: object = {}): LoadSpec => ({
  pluginUrl: new URL(`../fixtures/${fixture}.ts`, import.meta.url).href,
  model: "linked",
  version: "v1",
  path: import.meta.filename,
  device: "cpu",
  precision: "fp32",
  threads: 1,
  options
})

/** Long enough for what comes after the last message of interest to be seen, if it comes. */
const grace = () => new Promise((resolve) => setTimeout(resolve, 50))

/** A worker and what was heard of it. */
export const connect = (start: StartLink) => {
  const heard: Array<FromWorker> = []
  const lines: Array<string> = []
  const ends: Array<string> = []
  let wake = (): void => undefined
  const hear = <A>(into: Array<A>) => (value: A): void => {
    into.push(value)
    wake()
  }
  const link = start({
    onMessage: hear(heard),
    onUnreadable: hear(ends),
    onLine: hear(lines),
    onEnd: hear(ends)
  })
  let call = 0
  /** Waits until it is so. */
  const until = async <A>(found: () => A | undefined): Promise<A> => {
    for (let value = found();; value = found()) {
      if (value !== undefined) return value
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  const answerTo = (number: number) =>
    until(() => heard.find((message) => message._tag !== "Log" && message.call === number))
  const post = (message: Omit<Extract<ToWorker, { _tag: "Release" | "Stop" }>, "call">) => {
    link.post({ ...message, call: ++call }, [])
    return call
  }
  return {
    link,
    heard,
    lines,
    ends,
    until,
    answerTo,
    load: async (fixture: string, options: object = {}, instance = 0) => {
      link.post({ _tag: "Load", call: ++call, instance, measure: false, spec: specOf(fixture, options) }, [])
      const answer = await answerTo(call)
      assert.strictEqual(answer._tag, "Loaded")
      return answer
    },
    /** Sends a batch and answers with its call number. */
    run: (inputs: TensorMap, instance = 0): number => {
      const buffers = Object.values(inputs).flatMap(({ data }) => ArrayBuffer.isView(data) ? [data.buffer] : [])
      link.post({ _tag: "Run", call: ++call, instance, inputs }, buffers)
      return call
    },
    release: () => post({ _tag: "Release", instance: 0 }),
    stop: () => post({ _tag: "Stop", instance: 0 }),
    ended: () => until(() => ends[0])
  }
}

export const numbers = (...values: ReadonlyArray<number>): TensorMap => ({
  x: { datatype: "FP32", shape: [values.length, 1], data: Float32Array.from(values) }
})

const anything = (count: number): TensorMap => ({
  numbers: { datatype: "INT64", shape: [count], data: new BigInt64Array(count).fill(-(2n ** 60n)) },
  texts: { datatype: "BYTES", shape: [2], data: ["a", "ß\u0000"] },
  halves: { datatype: "FP16", shape: [3], data: Uint16Array.of(0, 1, 65_535) }
})

export const workerLinkConformance = (name: string, startLink: StartLink) =>
  describe(`a worker link to ${name}`, () => {
    const test = (what: string, body: (worker: ReturnType<typeof connect>) => Promise<void>) =>
      it(what, async () => {
        const worker = connect(startLink)
        try {
          await body(worker)
        } finally {
          worker.link.kill()
          await worker.ended()
          await grace()
          assert.lengthOf(worker.ends, 1, "its end is told once")
        }
      })

    test("loads a model, and answers with what it computes", async (worker) => {
      const loaded = await worker.load("ScriptedPlugin", { factor: 3 })
      if (loaded._tag === "Loaded") assert.strictEqual(loaded.signature.outputs[0]?.name, "y")
      const answer = await worker.answerTo(worker.run(numbers(1, 2)))
      assert.strictEqual(answer._tag, "Ran")
      if (answer._tag === "Ran") assert.deepStrictEqual(answer.outputs["y"]?.data, Float32Array.of(3, 6))
    })

    test("carries tensors of every kind of data whole, both ways", async (worker) => {
      await worker.load("EchoPlugin")
      const answer = await worker.answerTo(worker.run(anything(300_000)))
      assert.strictEqual(answer._tag, "Ran")
      if (answer._tag === "Ran") assert.deepStrictEqual(answer.outputs, anything(300_000))
    })

    test("computes the batches of an instance one after another, in their order", async (worker) => {
      await worker.load("EchoPlugin")
      const calls = [1, 2, 3, 4].map((count) => worker.run(anything(count)))
      await worker.answerTo(calls.at(-1)!)
      assert.deepStrictEqual(
        worker.heard.slice(1).map((message) => message._tag === "Ran" ? message.call : message),
        calls
      )
    })

    test("releases an instance after the batches that it was given", async (worker) => {
      await worker.load("EchoPlugin")
      const [first, second] = [worker.run(anything(1)), worker.run(anything(1))]
      const released = worker.release()
      const late = worker.run(anything(1))
      await worker.answerTo(released)
      const answers = new Map(worker.heard.map((message) => [message._tag === "Log" ? -1 : message.call, message._tag]))
      assert.deepStrictEqual(
        [first, second, late].map((call) => answers.get(call)),
        ["Ran", "Ran", "Failed"]
      )
    })

    test("tells a failure of a run, and goes on", async (worker) => {
      await worker.load("ScriptedPlugin")
      for (const order of [orders.fail, orders.throwException]) {
        const answer = await worker.answerTo(worker.run(numbers(order)))
        assert.strictEqual(answer._tag, "Failed")
      }
      assert.strictEqual((await worker.answerTo(worker.run(numbers(1))))._tag, "Ran")
    })

    test("throws where a message cannot be sent, and goes on", async (worker) => {
      assert.throws(() => {
        worker.link.post({
          _tag: "Load",
          call: 0,
          instance: 0,
          measure: false,
          spec: specOf("EchoPlugin", { no: () => 1 })
        }, [])
      })
      await worker.load("EchoPlugin")
    })

    test("carries what a model logs", async (worker) => {
      await worker.load("ScriptedPlugin")
      await worker.answerTo(worker.run(numbers(orders.log)))
      const logged = worker.heard.flatMap((message) => message._tag === "Log" ? [message.level] : [])
      assert.deepStrictEqual(logged, ["debug", "info", "warn", "error"])
    })

    test("stops when it is told to, after it has answered with what it computes", async (worker) => {
      await worker.load("EchoPlugin")
      const running = worker.run(anything(300_000))
      worker.stop()
      assert.strictEqual((await worker.answerTo(running))._tag, "Ran")
      assert.match(await worker.ended(), /code 0/)
    })

    test("tells its end where the worker ends itself", async (worker) => {
      await worker.load("ScriptedPlugin")
      worker.run(numbers(orders.exit))
      assert.match(await worker.ended(), /code 3/)
    })

    test("tells its end where nobody caught an exception, and what it was", async (worker) => {
      await worker.load("ScriptedPlugin")
      worker.run(numbers(orders.crashLater))
      const reason = await worker.ended()
      await worker.until(() => [reason, ...worker.lines].find((text) => text.includes("nobody catches this")))
    })

    test("ends at once when it is killed, whatever it computes", async (worker) => {
      await worker.load("ScriptedPlugin")
      worker.run(numbers(orders.spin))
      worker.link.kill()
      await worker.ended()
    })
  })
