/**
 * What routes and decides rollouts, as those see it who ask where one stands or tell it what to do.
 */
import type { ChangeRefused, ModelNotFound, RevisionConflict } from "@sluice/domain/Errors"
import type { RolloutAction, RolloutStatus } from "@sluice/domain/RolloutStatus"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

export class RolloutHost extends Context.Service<RolloutHost, {
  readonly status: (model: string) => Effect.Effect<RolloutStatus, ModelNotFound>
  /** With `ifRevision`, only if that is the present revision. */
  readonly act: (
    model: string,
    action: RolloutAction,
    by: string,
    ifRevision: number | undefined
  ) => Effect.Effect<RolloutStatus, ModelNotFound | ChangeRefused | RevisionConflict>
}>()("sluice/core/RolloutHost") {}
