/**
 * What of a model is not served as its registry entry says. Pure.
 */
import { modelId } from "@sluice/domain/Ids"
import type { ModelRoute } from "./ModelRoute.ts"
import type { ModelEntry } from "./RegistryEntry.ts"

/** With paths as the registry has them: where this machine keeps its files is nobody's business. */
const asWritten = (text: string, { versions }: ModelEntry): string =>
  versions.flatMap(({ file, variants }) => [file, ...variants.values()])
    .reduce((shown, { absolute, written }) => shown.replaceAll(absolute, written), text)

/** The default version, as the registry has it, did not load. */
export const hasFailedDefault = ({ refused, slots, wanted: { defaultVersion } }: ModelRoute): boolean =>
  refused.has(defaultVersion) || slots.get(defaultVersion)?.state() === "failed"

/** It has loaded, at some time since it is as it is now. */
export const hasLoadedDefault = ({ slots, wanted: { defaultVersion } }: ModelRoute): boolean =>
  slots.get(defaultVersion)?.loadMs() !== undefined

/** A sentence each, for operators. */
export const problemsOf = ({ entry, refused, slots, wanted }: ModelRoute): ReadonlyArray<string> => {
  const isKeptOut = (version: string) => version === wanted.defaultVersion && version !== entry.defaultVersion
  return [
    ...Array.from(refused, ([version, reason]) => {
      const stays = isKeptOut(version) ? ` does not become the default, ${entry.defaultVersion} stays` : ""
      return `${modelId(entry.name, version)}${stays}: ${reason}`
    }),
    ...[...slots].flatMap(([version, slot]) => {
      if (slot.state() !== "failed") return []
      const what = isKeptOut(version) ? `does not become the default, ${entry.defaultVersion} stays` : "has failed"
      return [`${slot.id} ${what}: ${slot.failure() ?? "it did not load"}`]
    })
  ].map((problem) => asWritten(problem, wanted))
}
