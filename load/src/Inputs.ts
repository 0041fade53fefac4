/**
 * What the scenarios send: rows and texts that differ from request to request.
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

const subjects = [
  "The film",
  "This blender",
  "Our waiter",
  "The battery",
  "Her new novel",
  "The hotel room",
  "That update"
]
const verdicts = [
  "was better than anything I had hoped for",
  "broke on the second day and nobody answered",
  "is fine, though not worth the price",
  "made me laugh until the very end",
  "keeps failing whenever it rains"
]

/** Short texts of our own, for machines without the corpus. */
const ownTexts = subjects.flatMap((subject) => verdicts.map((verdict) => `${subject} ${verdict}.`))

const corpus = (): string | undefined => {
  const folder = process.env["SLUICE_SHARED_MODELS"]
  const file = folder === undefined ? undefined : join(folder, "corpora/reviews.txt")
  return file !== undefined && existsSync(file) ? readFileSync(file, "utf8") : undefined
}

/** The reviews corpus where `SLUICE_SHARED_MODELS` has it, else texts of our own. */
export const texts = (count: number): ReadonlyArray<string> => {
  const lines = corpus()?.split("\n").filter((line) => line.trim() !== "") ?? ownTexts
  return Array.from({ length: count }, (_, i) => lines[i % lines.length]!)
}

/** Rows in the range of the breast-cancer features, by a fixed formula. */
export const featureRows = (count: number): ReadonlyArray<ReadonlyArray<number>> =>
  Array.from(
    { length: count },
    (_, i) => Array.from({ length: 30 }, (_, k) => Number((Math.abs(Math.sin(i * 31 + k)) * 40 + 0.1).toFixed(3)))
  )
