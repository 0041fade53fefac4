/**
 * Which files of a repository make a model that can be served, and where the plugins look for them. Pure.
 */
import * as Result from "effect/Result"
import { posix } from "node:path"
import { SourceRefused } from "./StoreErrors.ts"

/** Read by plugins, or by tools that are given the folder; from the top of a repository. */
export const companions = [
  "tokenizer.json",
  "tokenizer_config.json",
  "config.json",
  "model.json",
  "special_tokens_map.json",
  "modules.json",
  "1_Pooling/config.json"
] as const

/** Whether a file is a model by its name. */
export const isModel = (file: string): boolean => file.toLowerCase().endsWith(".onnx")

/** Weights that an ONNX file keeps outside itself, by the names that exporters give them. */
const weightsOf = (model: string, files: ReadonlySet<string>): ReadonlyArray<string> =>
  [`${model}_data`, `${model}.data`].filter((file) => files.has(file))

const listed = (files: ReadonlyArray<string>): string => {
  const shown = files.slice(0, 10).join(", ")
  return files.length > 10 ? `${shown} and ${files.length - 10} more` : shown
}

const chooseModel = (files: ReadonlyArray<string>): Result.Result<string, SourceRefused> => {
  const models = files.filter(isModel).toSorted()
  const [only] = models
  const preferred = ["onnx/model.onnx", "model.onnx"].find((file) => models.includes(file))
  if (preferred !== undefined) return Result.succeed(preferred)
  if (only === undefined) {
    return Result.fail(new SourceRefused({ reason: "it has no .onnx file: name the files to take with --file" }))
  }
  return models.length === 1
    ? Result.succeed(only)
    : Result.fail(new SourceRefused({ reason: `it has several models, choose by --file: ${listed(models)}` }))
}

/**
 * The files to take of those there are: the one model, or those that were asked for, and what belongs to them. Fails
 * where that is not one answer.
 */
export const chooseFiles = (
  available: ReadonlyArray<string>,
  wanted: ReadonlyArray<string>
): Result.Result<ReadonlyArray<string>, SourceRefused> => {
  const there = new Set(available)
  const missing = wanted.filter((file) => !there.has(file))
  if (missing.length > 0) {
    const models = available.filter(isModel).toSorted()
    const reason = `it has no file ${listed(missing)}${models.length === 0 ? "" : `; its models: ${listed(models)}`}`
    return Result.fail(new SourceRefused({ reason }))
  }
  const models = wanted.length > 0 ? Result.succeed(wanted) : Result.map(chooseModel(available), (model) => [model])
  return Result.map(models, (files) => [
    ...new Set([
      ...files.flatMap((file) => [file, ...weightsOf(file, there)]),
      ...companions.filter((file) => there.has(file))
    ])
  ])
}

/**
 * Where a file must also lie: plugins look for the tokenizer beside the model, and repositories keep it at the top.
 * Pairs of a place that the snapshot lacks, and the file that belongs there.
 */
export const besideLinks = (files: ReadonlyArray<string>): ReadonlyArray<readonly [place: string, file: string]> => {
  const there = new Set(files)
  const folders = new Set(files.filter(isModel).map((file) => posix.dirname(file)))
  return [...folders].filter((folder) => folder !== ".").flatMap((folder) =>
    companions.filter((file) => there.has(file) && !there.has(`${folder}/${file}`)).map((file) =>
      [`${folder}/${file}`, file] as const
    )
  )
}

/** The model among a snapshot's files that a registry entry is written for: the only one. */
export const onlyModel = (files: ReadonlyArray<string>): Result.Result<string, SourceRefused> => chooseModel(files)
