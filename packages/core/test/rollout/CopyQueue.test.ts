import { assert, describe, it } from "@effect/vitest"
import { CopyQueue } from "@sluice/core/rollout/CopyQueue"

/** A queue on a clock that the test turns, and copies that say what became of them. */
const makeQueue = () => {
  let nowMs = 0
  let timers: Array<{ readonly atMs: number; readonly wake: () => void }> = []
  const said: Array<string> = []
  const running: Array<() => void> = []
  let idle = true
  const queue = new CopyQueue({
    now: () => nowMs,
    later: (delayMs, wake) => void timers.push({ atMs: nowMs + delayMs, wake })
  })
  return {
    said,
    setIdle: (isIdle: boolean) => {
      idle = isIdle
    },
    offer: (name: string) =>
      queue.offer({
        mayRun: () => idle,
        drop: () => void said.push(`${name} dropped`),
        run: (done) => {
          said.push(`${name} runs`)
          running.push(done)
        }
      }),
    finish: () => running.shift()?.(),
    pass: (ms: number) => {
      const untilMs = nowMs + ms
      for (;;) {
        const next = timers.toSorted((a, b) => a.atMs - b.atMs)[0]
        if (next === undefined || next.atMs > untilMs) break
        timers = timers.filter((timer) => timer !== next)
        nowMs = next.atMs
        next.wake()
      }
      nowMs = untilMs
    }
  }
}

describe("CopyQueue", () => {
  it("computes nothing before its caller's turn has ended, and one copy at a time", () => {
    const { finish, offer, pass, said } = makeQueue()
    offer("a")
    offer("b")
    assert.deepStrictEqual(said, [])
    pass(10)
    assert.deepStrictEqual(said, ["a runs"])
    pass(100)
    assert.deepStrictEqual(said, ["a runs"])
    finish()
    pass(10)
    assert.deepStrictEqual(said, ["a runs", "b runs"])
  })

  it("waits until the model is idle, and drops what is late by then", () => {
    const { offer, pass, said, setIdle } = makeQueue()
    setIdle(false)
    offer("early")
    pass(1_500)
    offer("later")
    pass(1_000)
    assert.deepStrictEqual(said, ["early dropped"])
    setIdle(true)
    pass(10)
    assert.deepStrictEqual(said, ["early dropped", "later runs"])
  })

  it("drops the oldest where too many wait", () => {
    const { offer, said, setIdle } = makeQueue()
    setIdle(false)
    for (let i = 0; i < 70; i++) offer(`copy ${i}`)
    assert.deepStrictEqual(said, Array.from({ length: 6 }, (_, i) => `copy ${i} dropped`))
  })
})
