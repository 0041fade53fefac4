/**
 * The controller's decisions in the audit log, beside what operators do. Those that operators ask for are recorded where
 * they ask.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AuditLog } from "../registry/AuditLog.ts"
import { Rollouts } from "./Rollouts.ts"

/** Who decided, in a decision of the controller's. */
const controller = "controller"

export const rolloutAudit: Layer.Layer<never, never, Rollouts | AuditLog> = Layer.effectDiscard(
  Effect.gen(function*() {
    const rollouts = yield* Rollouts
    const audit = yield* AuditLog
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        rollouts.onDecision(({ decision, model, revision, targetVersion }) => {
          if (decision.by !== controller) return
          const { decision: action, percentage, reason } = decision
          runFork(audit.record({
            by: controller,
            action: `rollout.${action}`,
            model,
            detail: reason,
            change: { target_version: targetVersion, percentage, revision },
            outcome: "applied"
          }))
        })
      ),
      (unsubscribe) => Effect.sync(unsubscribe)
    )
  })
)
