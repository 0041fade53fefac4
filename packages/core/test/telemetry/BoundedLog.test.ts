import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { makeBoundedLog } from "../../src/telemetry/BoundedLog.ts"

const recorded = () => {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ message }) => {
    lines.push(String(message))
  })
  return { lines, layer: Logger.layer([logger]) }
}

const failing = Effect.gen(function*() {
  const log = yield* makeBoundedLog
  return (key: string, reason: number) =>
    log(key, Effect.logError(`${key}: ${reason}`), (count) => Effect.logError(`${key}: ${count} more, last ${reason}`))
})

describe("makeBoundedLog", () => {
  it.effect("writes five lines, then one in ten seconds with the count and the last cause", () => {
    const { layer, lines } = recorded()
    return Effect.gen(function*() {
      const fail = yield* failing
      for (let i = 1; i <= 200; i++) {
        fail("a", i)
        if (i === 1) fail("b", i)
        yield* TestClock.adjust("100 millis")
      }
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(lines, [
        "a: 1",
        "b: 1",
        "a: 2",
        "a: 3",
        "a: 4",
        "a: 5",
        "a: 100 more, last 105",
        "a: 95 more, last 200"
      ])
      yield* TestClock.adjust("11 seconds")
      fail("a", 201)
      yield* TestClock.adjust(0)
      assert.strictEqual(lines.at(-1), "a: 201")
    }).pipe(Effect.provide(layer))
  })

  it.effect("tells what it left out when its scope closes", () => {
    const { layer, lines } = recorded()
    return Effect.gen(function*() {
      const scope = yield* Scope.make()
      const fail = yield* Scope.provide(failing, scope)
      for (let i = 1; i <= 8; i++) fail("a", i)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(lines.at(-1), "a: 3 more, last 8")
    }).pipe(Effect.provide(layer))
  })
})
