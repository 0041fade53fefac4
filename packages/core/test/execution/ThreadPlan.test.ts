import { assert, describe, it } from "@effect/vitest"
import { type Isolation, planThreads } from "@sluice/core/execution/ThreadPlan"
import type { ServingDefaults } from "@sluice/plugin-sdk/Plugin"
import * as fc from "fast-check"

const many: Partial<ServingDefaults> = { instances: "cores", threads: 1 }

const plan = (
  cores: number,
  serving: Partial<ServingDefaults> | undefined,
  asked: { readonly instances?: number; readonly threads?: number } = {},
  isolation: Isolation = "thread"
) => planThreads({ cores, serving, instances: asked.instances, threads: asked.threads, isolation })

describe("planThreads", () => {
  it.each([
    ["one instance on all cores where the plugin says nothing", plan(4, undefined), 1, 4],
    ["as many one-thread instances as cores where the plugin wants them", plan(4, many), 4, 1],
    ["one instance on one core", plan(1, many), 1, 1],
    [
      "one thread each where the plugin wants as many instances as cores and no more",
      plan(4, { instances: "cores" }),
      4,
      1
    ],
    ["no more threads than cores, whatever the plugin prefers", plan(2, { instances: 1, threads: 8 }), 1, 2],
    ["no more instances than cores, whatever the plugin prefers", plan(2, { instances: 8, threads: 1 }), 2, 1],
    ["the cores shared out over the instances asked for", plan(4, undefined, { instances: 2 }), 2, 2],
    ["one thread each for more instances than cores", plan(2, undefined, { instances: 4 }), 4, 1],
    ["as many instances as the threads asked for leave room for", plan(8, many, { threads: 3 }), 2, 3],
    ["one instance of more threads than cores, where asked for", plan(2, many, { threads: 4 }), 1, 4],
    ["both as asked for", plan(2, many, { instances: 3, threads: 5 }), 3, 5]
  ])("gives %s", (_, { instances, threads }, expectedInstances, expectedThreads) => {
    assert.deepStrictEqual({ instances, threads }, { instances: expectedInstances, threads: expectedThreads })
  })

  it("lets an instance share a worker only where the plugin says so", () => {
    assert.isFalse(plan(2, undefined).shareWorker)
    assert.isTrue(plan(2, { shareWorker: true }).shareWorker)
    assert.isFalse(plan(2, { shareWorker: true }, {}, "process").shareWorker, "a process is nobody else's")
  })

  const count = fc.integer({ min: 1, max: 64 })
  const preferred = fc.option(fc.oneof(count, fc.constant("cores" as const)), { nil: undefined })
  const asked = fc.option(count, { nil: undefined })
  const inputs = fc.record({
    cores: count,
    preferredInstances: preferred,
    preferredThreads: preferred,
    instances: asked,
    threads: asked
  })

  it("keeps all numbers that were asked for, and all others within the cores", () => {
    fc.assert(fc.property(inputs, ({ cores, instances, preferredInstances, preferredThreads, threads }) => {
      const serving: Partial<ServingDefaults> = {
        ...(preferredInstances === undefined ? {} : { instances: preferredInstances }),
        ...(preferredThreads === undefined ? {} : { threads: preferredThreads })
      }
      const planned = planThreads({ cores, serving, instances, threads, isolation: "thread" })
      assert.isAtLeast(planned.instances, 1)
      assert.isAtLeast(planned.threads, 1)
      if (instances !== undefined) assert.strictEqual(planned.instances, instances)
      if (threads !== undefined) assert.strictEqual(planned.threads, threads)
      if (instances !== undefined && threads !== undefined) return
      assert.isAtMost(planned.instances * planned.threads, Math.max(cores, instances ?? 1, threads ?? 1))
    }))
  })
})
