/**
 * What a file is by the plugin whose format it has.
 */
import type { FileReport, ModelFiles } from "@sluice/plugin-sdk/Plugin"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { type PluginCatalogue, PluginRefused } from "./PluginCatalogue.ts"

export type { FileReport } from "@sluice/plugin-sdk/Plugin"

/** The report of the first plugin that knows the format; undefined where none does. Fails where the file is damaged. */
export const inspectFile = Effect.fnUntraced(function*(
  { plugins }: PluginCatalogue["Service"],
  files: ModelFiles
): Effect.fn.Return<FileReport | undefined, PluginRefused> {
  for (const { plugin } of plugins) {
    const report = yield* Effect.suspend(() => plugin.inspect?.(files) ?? Effect.undefined).pipe(
      Effect.catchCause((cause) => {
        const error = Cause.squash(cause)
        return Effect.fail(new PluginRefused({ reason: error instanceof Error ? error.message : String(error), cause }))
      })
    )
    if (report !== undefined) return report
  }
  return undefined
})
