/**
 * A serving process' side of the common `/metrics`: it gives its numbers to the primary, and asks the primary for all.
 */
import { type Metrics, renderTogether } from "@sluice/core/telemetry/Metrics"
import type { MetricsSnapshot } from "@sluice/core/telemetry/MetricsSnapshot"
import * as Effect from "effect/Effect"
import type { FromPrimary, FromProcess } from "./ClusterMessages.ts"

type MetricsMessage = Extract<FromPrimary, { readonly _tag: "AskOwnMetrics" | "AllMetrics" }>

export interface MetricsExchange {
  readonly received: (message: MetricsMessage) => void
  /** This process' metrics, with a page that shows every process'. */
  readonly shared: (own: Metrics["Service"]) => Effect.Effect<Metrics["Service"]>
}

export const metricsExchange = (tell: (message: FromProcess) => void): MetricsExchange => {
  /** Scrapes that wait for the primary's answer. It needs no time limit: without a primary this process ends. */
  const waiting = new Map<number, (snapshots: ReadonlyArray<MetricsSnapshot>) => void>()
  let lastId = 0
  let give: (id: number) => void = (id) => tell({ _tag: "OwnMetrics", id, snapshot: [] })

  const all = Effect.callback<ReadonlyArray<MetricsSnapshot>>((resume) => {
    const id = ++lastId
    waiting.set(id, (snapshots) => resume(Effect.succeed(snapshots)))
    tell({ _tag: "AskAllMetrics", id })
    return Effect.sync(() => waiting.delete(id))
  })

  return {
    received: (message) => {
      if (message._tag === "AskOwnMetrics") {
        give(message.id)
        return
      }
      waiting.get(message.id)?.(message.snapshots)
      waiting.delete(message.id)
    },
    shared: (own) =>
      Effect.map(Effect.context<never>(), (context) => {
        const run = Effect.runForkWith(context)
        give = (id) => {
          run(Effect.matchCauseEffect(own.snapshot, {
            onSuccess: (snapshot) => Effect.sync(() => tell({ _tag: "OwnMetrics", id, snapshot })),
            onFailure: (cause) => Effect.logError("the page of metrics goes without this process", cause)
          }))
        }
        return own.enabled ? { ...own, render: Effect.flatMap(all, renderTogether) } : own
      })
  }
}
