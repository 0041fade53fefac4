/**
 * Shows on the metrics page where rollouts stand, and which decisions this process made.
 */
import { RolloutDecision } from "@sluice/domain/RolloutStatus"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Metrics } from "../telemetry/Metrics.ts"
import { Rollouts } from "./Rollouts.ts"

/** Zero from the start, so that the first one is an increase that an alert can see. */
const noDecisions = (): Map<string, number> =>
  new Map(RolloutDecision.fields.decision.literals.map((decision) => [decision, 0]))

export const rolloutMetrics: Layer.Layer<never, never, Rollouts | Metrics> = Layer.effectDiscard(
  Effect.gen(function*() {
    const rollouts = yield* Rollouts
    const metrics = yield* Metrics
    const decisions = new Map<string, Map<string, number>>()
    const decisionsOf = (model: string): Map<string, number> => {
      const known = decisions.get(model) ?? noDecisions()
      decisions.set(model, known)
      return known
    }
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        rollouts.onDecision(({ decision: { decision }, model }) => {
          const counts = decisionsOf(model)
          counts.set(decision, (counts.get(decision) ?? 0) + 1)
        })
      ),
      (unsubscribe) => Effect.sync(unsubscribe)
    )
    metrics.showRollouts(() =>
      rollouts.positions().map((position) => ({ ...position, decisions: decisionsOf(position.model) }))
    )
  })
)
