/**
 * "Did you mean …?": the known word that a mistyped one most likely stands for.
 */

/** Levenshtein's distance, with a swap of neighbours counted as one edit: the commonest slip of the hand. */
export const editDistance = (a: string, b: string): number => {
  let before: Array<number> = []
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let cost = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1)
      )
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, (before[column - 2] ?? 0) + 1)
      }
      current.push(cost)
    }
    before = previous
    previous = current
  }
  return previous[b.length] ?? 0
}

/** Letters and digits only, so that `maxBatchSize` finds `max_batch_size`. */
const plain = (word: string): string => word.toLowerCase().replaceAll(/[^a-z0-9]/g, "")

/** The nearest of the known words, if it is near enough to be what was meant. */
export const nearestWord = (word: string, known: Iterable<string>): string | undefined => {
  const wanted = plain(word).slice(0, 64)
  let nearest: string | undefined
  let best = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const name = plain(candidate)
    const distance = editDistance(wanted, name)
    // A quarter of the word may differ; beyond that a suggestion misleads, as "cpu" would for "gpu".
    if (distance < best && distance <= Math.floor(Math.max(wanted.length, name.length) / 4)) {
      best = distance
      nearest = candidate
    }
  }
  return nearest
}

/** ` (did you mean "x"?)`, or nothing. */
export const didYouMean = (word: string, known: Iterable<string>): string => {
  const nearest = nearestWord(word, known)
  return nearest === undefined ? "" : ` (did you mean "${nearest}"?)`
}
