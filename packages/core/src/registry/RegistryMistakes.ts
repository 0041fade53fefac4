/**
 * What is wrong with a registry, in sentences for those who sent it from elsewhere: line, field and problem, without the
 * server's own paths. Pure.
 */
import { dirname, resolve, sep } from "node:path"
import type { ConfigError, ConfigMistake } from "../config/ConfigError.ts"
import type { EntryRefused } from "./VersionPlan.ts"

/** How many are told. */
const most = 100

/** A folder's own path means nothing to a caller; what is written in the registry counts from there. */
const withoutFolder = (sentence: string, file: string): string => sentence.replaceAll(dirname(resolve(file)) + sep, "")

const sentenceOf = ({ field, line, problem }: ConfigMistake, file: string): string =>
  [
    ...(line === undefined ? [] : [`line ${line}`]),
    ...(field === undefined || field === "" ? [] : [field]),
    withoutFolder(problem, file)
  ].join(": ")

/** A sentence for each mistake; `file` is the registry file, as the operator gave it. */
export const mistakeSentences = (error: ConfigError | EntryRefused, file: string): ReadonlyArray<string> => {
  if (error._tag === "EntryRefused") {
    const { model, source, version } = error.entry
    const problem = `model "${model}" version "${version}": ${withoutFolder(error.reason, file)}`
    return [`line ${source.line}: ${problem}`]
  }
  const sentences = error.mistakes.slice(0, most).map((mistake) => sentenceOf(mistake, file))
  const left = error.mistakes.length - sentences.length
  return left === 0 ? sentences : [...sentences, `… and ${left} more`]
}
