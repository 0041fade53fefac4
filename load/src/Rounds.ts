/**
 * Measuring several things side by side: one after another, round after round, so that what the machine does meanwhile
 * meets all of them.
 */

export type Steps = Readonly<Record<string, () => Promise<unknown>>>

/** What each step gave, by round. */
export type ByRound<S extends Steps> = { readonly [Name in keyof S]: Array<Awaited<ReturnType<S[Name]>>> }

/** Every second round goes backwards, so that no step always comes after the same one. */
export const orderOf = <A>(steps: ReadonlyArray<A>, round: number): ReadonlyArray<A> =>
  round % 2 === 0 ? steps : steps.toReversed()

/** `between` is called before each step. */
export const interleave = async <S extends Steps>(
  rounds: number,
  steps: S,
  between: (step: string, round: number) => Promise<void> = () => Promise.resolve()
): Promise<ByRound<S>> => {
  const names = Object.keys(steps)
  const results = Object.fromEntries(names.map((name): [string, Array<unknown>] => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of orderOf(names, round)) {
      await between(name, round)
      results[name]!.push(await steps[name]!())
    }
  }
  return results as ByRound<S>
}
