/**
 * Rollouts kept in a folder, shared by the processes of one machine.
 *
 *     MODEL/state.NUMBER.json        the state; the highest number that can be read counts
 *     MODEL/counts.ROLLOUT.STEP/     a file a process
 *
 * A state is written whole under a name of its own and then linked under the next number, which fails where another process
 * was first: that is the compare and set. So there is no lock that a process could leave behind.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import * as NodeFs from "node:fs/promises"
import { join } from "node:path"
import type { RolloutState } from "./RolloutState.ts"
import { RolloutCountsJson, RolloutStateJson, RolloutStore, RolloutStoreError } from "./RolloutStore.ts"

/** States that stay, so that a writer who slept finds its number taken. */
const keptStates = 20

const codeOf = (cause: unknown): unknown => cause instanceof Error && "code" in cause ? cause.code : undefined

const unless = (code: string) => (cause: unknown): undefined => {
  if (codeOf(cause) !== code) throw cause
}

/** The names in a folder; none where there is no folder. */
const namesIn = async (folder: string): Promise<ReadonlyArray<string>> =>
  await NodeFs.readdir(folder).catch(unless("ENOENT")) ?? []

const readText = (path: string): Promise<string | undefined> => NodeFs.readFile(path, "utf8").catch(unless("ENOENT"))

const stateName = (number: number): string => `state.${number}.json`
const numberOf = (name: string): number | undefined => {
  const digits = /^state\.(\d+)\.json$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
const countsName = (rolloutId: string, step: number): string => `counts.${rolloutId}.${step}`

/** The numbers of the states in a folder, the highest first. */
const numbersIn = async (folder: string): Promise<ReadonlyArray<number>> =>
  (await namesIn(folder)).flatMap((name) => numberOf(name) ?? []).sort((a, b) => b - a)

/** Writes a file that no other process sees yet, and gives its path. `lasting`: it is on the disk when this is done. */
const writeAside = async (folder: string, text: string, lasting: boolean): Promise<string> => {
  await NodeFs.mkdir(folder, { recursive: true })
  const path = join(folder, `.${randomUUID()}`)
  const file = await NodeFs.open(path, "wx")
  try {
    await file.writeFile(text)
    if (lasting) await file.sync()
  } finally {
    await file.close()
  }
  return path
}

/** How old a file must be that its writer did not come to name, for the writer to be dead. */
const leftoverAgeMs = 60_000

const isAside = (name: string): boolean => /^\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name)

/** Removes what writers left in a folder that were killed before they named it. */
const removeLeftovers = async (folder: string, names: ReadonlyArray<string>): Promise<void> => {
  for (const name of names.filter(isAside)) {
    const path = join(folder, name)
    const stats = await NodeFs.stat(path).catch(unless("ENOENT"))
    if (stats !== undefined && Date.now() - stats.mtimeMs > leftoverAgeMs) await NodeFs.rm(path, { force: true })
  }
}

/** The same in the folders of all models, and of what was counted for them. */
const removeAllLeftovers = async (directory: string): Promise<void> => {
  for (const model of await namesIn(directory)) {
    const folder = join(directory, model)
    const names = await namesIn(folder)
    await removeLeftovers(folder, names)
    for (const counts of names.filter((name) => name.startsWith("counts."))) {
      await removeLeftovers(join(folder, counts), await namesIn(join(folder, counts)))
    }
  }
}

/** Whether the text is now the state of that number: false where there is one already. */
const linkState = async (folder: string, number: number, text: string): Promise<boolean> => {
  const aside = await writeAside(folder, text, true)
  try {
    await NodeFs.link(aside, join(folder, stateName(number)))
    return true
  } catch (cause) {
    unless("EEXIST")(cause)
    return false
  } finally {
    await NodeFs.unlink(aside)
  }
}

const encodeState = Schema.encodeSync(RolloutStateJson)
const decodeState = Schema.decodeOption(RolloutStateJson)
const encodeCounts = Schema.encodeSync(RolloutCountsJson)
const decodeCounts = Schema.decodeOption(RolloutCountsJson)

/** Removes states that were long replaced, and what was counted in other steps. */
const clean = async (folder: string, number: number, { rolloutId, step }: RolloutState): Promise<void> => {
  const names = await namesIn(folder)
  await removeLeftovers(folder, names)
  for (const name of names) {
    const ofState = numberOf(name)
    const isOldState = ofState !== undefined && ofState <= number - keptStates
    const isOldCounts = name.startsWith("counts.") && name !== countsName(rolloutId, step)
    if (isOldState || isOldCounts) await NodeFs.rm(join(folder, name), { recursive: true, force: true })
  }
}

/** Keeps the state under a number that was free, and says whether it did. */
const keep = async (folder: string, number: number, state: RolloutState): Promise<boolean> => {
  if (!(await linkState(folder, number, encodeState(state)))) return false
  // The number is free again where so many states were written since it was found to be.
  const [highest = 0] = await numbersIn(folder)
  if (highest >= number + keptStates) {
    await NodeFs.rm(join(folder, stateName(number)), { force: true })
    return false
  }
  // The state is kept, whatever comes of this: another process may report to a folder while it is removed. The next write
  // finds what is left.
  await clean(folder, number, state).catch(() => undefined)
  return true
}

const asking = <A>(operation: RolloutStoreError["operation"], ask: () => Promise<A>) =>
  Effect.tryPromise({ try: ask, catch: (cause) => new RolloutStoreError({ operation, cause }) })

/** Creates the folder when it first writes. */
export const layerFile = (directory: string): Layer.Layer<RolloutStore> =>
  Layer.effect(
    RolloutStore,
    Effect.gen(function*() {
      yield* Effect.ignore(Effect.tryPromise(() => removeAllLeftovers(directory)))
      /** Damaged files that the log has. */
      const told = new Set<string>()
      const tellDamaged = (path: string) =>
        Effect.suspend(() => {
          if (told.has(path)) return Effect.void
          told.add(path)
          return Effect.logWarning(`${path} is damaged and counts as absent`)
        })

      /** What a file holds; undefined for one that is gone or damaged. */
      const readAs = <A>(
        operation: RolloutStoreError["operation"],
        path: string,
        decode: (text: string) => Option.Option<A>
      ) =>
        Effect.flatMap(asking(operation, () => readText(path)), (text) => {
          const value = text === undefined ? Option.none<A>() : decode(text)
          return Option.isNone(value) && text !== undefined
            ? Effect.as(tellDamaged(path), undefined)
            : Effect.succeed(Option.getOrUndefined(value))
        })

      /** The state that was read last, by folder: it is asked for every second, and a file never changes. */
      const lastRead = new Map<string, { readonly number: number; readonly state: RolloutState }>()

      const newest = Effect.fnUntraced(function*(operation: RolloutStoreError["operation"], folder: string) {
        const numbers = yield* asking(operation, () => numbersIn(folder))
        const highest = numbers[0] ?? 0
        for (const number of numbers) {
          const known = lastRead.get(folder)
          if (known?.number === number) return { highest, state: known.state }
          const state = yield* readAs(operation, join(folder, stateName(number)), decodeState)
          if (state === undefined) continue
          lastRead.set(folder, { number, state })
          return { highest, state }
        }
        return { highest, state: undefined }
      })

      return RolloutStore.of({
        read: (model) => Effect.map(newest("read", join(directory, model)), ({ state }) => state),
        write: Effect.fnUntraced(function*(model, expectedRevision, state) {
          const folder = join(directory, model)
          const found = yield* newest("write", folder)
          if (found.state?.revision !== expectedRevision) return false
          return yield* asking("write", () => keep(folder, found.highest + 1, state))
        }),
        report: (model, rolloutId, step, processId, counts) =>
          asking("report", async () => {
            const folder = join(directory, model, countsName(rolloutId, step))
            const aside = await writeAside(folder, encodeCounts(counts), false)
            await NodeFs.rename(aside, join(folder, `${processId}.json`))
          }).pipe(
            // The step ended meanwhile, and its folder is gone.
            Effect.catchIf(({ cause }) => codeOf(cause) === "ENOENT", () => Effect.void)
          ),
        reports: Effect.fnUntraced(function*(model, rolloutId, step) {
          const folder = join(directory, model, countsName(rolloutId, step))
          const names = (yield* asking("reports", () => namesIn(folder))).filter((name) => name.endsWith(".json"))
          const found = yield* Effect.forEach(names, (name) => readAs("reports", join(folder, name), decodeCounts))
          return found.filter((counts) => counts !== undefined)
        })
      })
    })
  )
