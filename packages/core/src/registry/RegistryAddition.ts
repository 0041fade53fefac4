/**
 * A registry's text with one more version in it, and everything else as it stands: comments, order and layout. Pure.
 */
import * as Result from "effect/Result"
import { isDeepStrictEqual } from "node:util"
import { Document, isCollection, isMap, isScalar, type Pair, parseDocument, type YAMLMap } from "yaml"
import { ConfigError } from "../config/ConfigError.ts"
import { parseYaml } from "../config/YamlDocument.ts"

export interface Addition {
  readonly model: string
  readonly version: string
  /** The entry's fields as they are written. */
  readonly entry: Readonly<Record<string, unknown>>
  /** Whether a version of this name gives way. */
  readonly replace: boolean
}

const mistake = (file: string, problem: string) =>
  Result.fail(new ConfigError({ mistakes: [{ source: file, problem }] }))

const parse = (text: string): Document => parseDocument(text, { stringKeys: true, uniqueKeys: false })

const pairOf = (map: YAMLMap, key: string): Pair | undefined =>
  map.items.find((pair) => (isScalar(pair.key) ? pair.key.value : pair.key) === key)

const rangeOf = (node: unknown): readonly [start: number, end: number] | undefined =>
  (isScalar(node) || isCollection(node)) && node.range ? [node.range[0], node.range[1]] : undefined

/** Where the line ends that this offset stands on or, after a line break, has just ended. */
const lineEnd = (text: string, offset: number): number => {
  if (offset > 0 && text[offset - 1] === "\n") return offset - 1
  const end = text.indexOf("\n", offset)
  return end < 0 ? text.length : end
}

/** A key with its value as YAML, of which strings are quoted as the registries are written; indented by `column`. */
const render = (key: string, value: unknown, column: number): string => {
  const document = new Document({ [key]: value })
  const text = document.toString({ lineWidth: 0, defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "PLAIN" })
  return text.trimEnd().split("\n").join(`\n${" ".repeat(column)}`)
}

/** The text with the pair in the block mapping, by inserting or exchanging lines; undefined where it is written otherwise. */
const splice = (text: string, map: YAMLMap, key: string, value: unknown): string | undefined => {
  const first = rangeOf(map.items[0]?.key)
  if (map.flow === true || first === undefined) return undefined
  const column = first[0] - (text.lastIndexOf("\n", first[0] - 1) + 1)
  const old = pairOf(map, key)
  const last = old ?? map.items.at(-1)
  const place = rangeOf(last?.value) ?? rangeOf(last?.key)
  const start = rangeOf(old?.key)?.[0]
  if (place === undefined || (old !== undefined && start === undefined)) return undefined
  const end = lineEnd(text, place[1])
  const rendered = render(key, value, column)
  return start === undefined
    ? `${text.slice(0, end)}\n${" ".repeat(column)}${rendered}${text.slice(end) || "\n"}`
    : `${text.slice(0, start)}${rendered}${text.slice(end) || "\n"}`
}

interface Step {
  readonly path: ReadonlyArray<string>
  readonly value: unknown
}

/** Where the addition goes: the deepest mapping that is there already. */
const stepOf = (document: Document, { entry, model, version }: Addition): Step => {
  const versions = ["models", model, "versions"]
  if (isMap(document.getIn(versions))) return { path: [...versions, version], value: entry }
  const whole = { default_version: version, versions: { [version]: entry } }
  return isMap(document.get("models"))
    ? { path: ["models", model], value: whole }
    : { path: ["models"], value: { [model]: whole } }
}

const setStep = (text: string, { path, value }: Step, expected: unknown): string => {
  const document = parse(text)
  const map = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1))
  const spliced = isMap(map) ? splice(text, map, path.at(-1) ?? "", value) : undefined
  if (spliced !== undefined && isDeepStrictEqual(parse(spliced).toJS(), expected)) return spliced
  // Written on one line, or empty: the parser's own way of writing, which keeps comments and not every space.
  document.setIn(path, document.createNode(value))
  return document.toString({ lineWidth: 0 })
}

/**
 * The text with the version in it. A model that is not there is made, with this as its default. Fails with sentences
 * for a text that is no YAML, and for a version that is there unless it is to be replaced.
 */
export const addVersion = (text: string, file: string, addition: Addition): Result.Result<string, ConfigError> =>
  Result.flatMap(parseYaml(text, file), ({ lineOf }) => {
    const { model, replace, version } = addition
    const document = parse(text)
    const path = ["models", model, "versions", version]
    const place = ["models", model]
    if (document.contents !== null && !isMap(document.contents)) return mistake(file, "it is not a registry")
    if (document.hasIn(path) && !replace) {
      return Result.fail(
        new ConfigError({
          mistakes: [{
            source: file,
            line: lineOf(path),
            problem: `model "${model}" has a version "${version}" already: name another with --version, or --replace it`
          }]
        })
      )
    }
    if (document.hasIn(place) && !isMap(document.getIn([...place, "versions"]))) {
      return mistake(file, `the versions of "${model}" are not written as a mapping here: add this one by hand`)
    }
    const step = stepOf(document, addition)
    const after = document.clone()
    after.setIn(step.path, after.createNode(step.value))
    return Result.succeed(setStep(text, step, after.toJS()))
  })
