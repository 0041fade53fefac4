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

/** In which column of its line an offset stands. */
const columnOf = (text: string, offset: number): number => offset - (text.lastIndexOf("\n", offset - 1) + 1)

const writing = { lineWidth: 0, defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "PLAIN" } as const

/** A key with its value as YAML, of which strings are quoted as the registries are written; indented by `column`. */
const renderBlock = (key: string, value: unknown, column: number): string =>
  new Document({ [key]: value }).toString(writing).trimEnd().split("\n").join(`\n${" ".repeat(column)}`)

/** The same on one line, as it stands between braces. */
const renderFlow = (key: string, value: unknown): string =>
  new Document({ [key]: value }).toString({ ...writing, collectionStyle: "flow" }).trim().slice(1, -1).trim()

/** The text with the lines after the one that `offset` stands on, or has just ended. */
const insertLines = (text: string, offset: number, column: number, lines: string): string => {
  const end = lineEnd(text, offset)
  return `${text.slice(0, end)}\n${" ".repeat(column)}${lines}${text.slice(end) || "\n"}`
}

/** Puts the pair between the braces of a mapping; undefined where it has none. */
const spliceFlow = (text: string, map: YAMLMap, key: string, value: unknown): string | undefined => {
  const old = pairOf(map, key)
  const last = old ?? map.items.at(-1)
  const end = (rangeOf(last?.value) ?? rangeOf(last?.key))?.[1]
  const start = rangeOf(old?.key)?.[0]
  if (end === undefined || (old !== undefined && start === undefined)) return undefined
  const rendered = renderFlow(key, value)
  return `${start === undefined ? `${text.slice(0, end)}, ` : text.slice(0, start)}${rendered}${text.slice(end)}`
}

/** Puts the pair on the lines after `{}`, which it takes the place of; undefined where the key before it has no line. */
const spliceEmpty = (text: string, map: YAMLMap, parent: YAMLMap, key: string, value: unknown): string | undefined => {
  const braces = rangeOf(map)
  const owner = rangeOf(parent.items.find((pair) => pair.value === map)?.key)
  if (braces === undefined || owner === undefined || parent.flow === true) return undefined
  const before = text.slice(0, braces[0]).trimEnd()
  const column = columnOf(text, owner[0]) + 2
  return insertLines(before + text.slice(braces[1]), before.length, column, renderBlock(key, value, column))
}

/** Puts the pair on lines of its own; undefined where the mapping is written otherwise. */
const spliceBlock = (text: string, map: YAMLMap, key: string, value: unknown): string | undefined => {
  const first = rangeOf(map.items[0]?.key)
  if (first === undefined) return undefined
  const column = columnOf(text, first[0])
  const old = pairOf(map, key)
  const last = old ?? map.items.at(-1)
  const place = rangeOf(last?.value) ?? rangeOf(last?.key)
  const start = rangeOf(old?.key)?.[0]
  if (place === undefined || (old !== undefined && start === undefined)) return undefined
  const rendered = renderBlock(key, value, column)
  return start === undefined
    ? insertLines(text, place[1], column, rendered)
    : `${text.slice(0, start)}${rendered}${text.slice(lineEnd(text, place[1])) || "\n"}`
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

/** The text with the pair in it and every other character as it was; undefined where that is not simply done. */
const splice = (text: string, { path, value }: Step): string | undefined => {
  const document = parse(text)
  const mapAt = (path: ReadonlyArray<string>) => path.length === 0 ? document.contents : document.getIn(path)
  const map = mapAt(path.slice(0, -1))
  const key = path.at(-1) ?? ""
  if (!isMap(map)) return undefined
  if (map.flow !== true) return spliceBlock(text, map, key, value)
  if (map.items.length > 0) return spliceFlow(text, map, key, value)
  const parent = path.length > 1 ? mapAt(path.slice(0, -2)) : undefined
  return isMap(parent) ? spliceEmpty(text, map, parent, key, value) : undefined
}

/** The parser's own way of writing, which keeps comments and not every space. */
const rewrite = (text: string, { path, value }: Step): string => {
  const document = parse(text)
  document.setIn(path, document.createNode(value))
  return document.toString(writing)
}

/** What a value is with another at the path; nothing that is shared within it is changed in the other places. */
const withValue = (value: unknown, [key, ...rest]: ReadonlyArray<string>, inner: unknown): unknown => {
  if (key === undefined) return inner
  const fields = new Map(typeof value === "object" && value !== null ? Object.entries(value) : [])
  return Object.fromEntries(fields.set(key, withValue(fields.get(key), rest, inner)))
}

/** Whether a text reads as this. One whose anchor is gone while its aliases are not reads as nothing. */
const readsAs = (text: string, expected: unknown): boolean =>
  Result.match(parseYaml(text, ""), {
    onSuccess: ({ value }) => isDeepStrictEqual(value, expected),
    onFailure: () => false
  })

const setStep = (text: string, step: Step, expected: unknown): string | undefined => {
  const spliced = splice(text, step)
  if (spliced !== undefined && readsAs(spliced, expected)) return spliced
  const rewritten = Result.getOrUndefined(Result.try(() => rewrite(text, step)))
  return rewritten !== undefined && readsAs(rewritten, expected) ? rewritten : undefined
}

/** Does the edit on lines that end as ours do, where all of the text's end otherwise. */
const keepLineEnds = (text: string, edit: (text: string) => string | undefined): string | undefined =>
  text.includes("\n") && !/(^|[^\r])\n/.test(text)
    ? edit(text.replaceAll("\r\n", "\n"))?.replaceAll("\n", "\r\n")
    : edit(text)

/**
 * The text with the version in it. A model that is not there is made, with this as its default. Fails with sentences
 * for a text that is no YAML, for a version that is there unless it is to be replaced, and for a model that shares its
 * text with another by an alias.
 */
export const addVersion = (text: string, file: string, addition: Addition): Result.Result<string, ConfigError> =>
  Result.flatMap(parseYaml(text, file), ({ lineOf, value }) => {
    const { model, replace, version } = addition
    const document = parse(text)
    const path = ["models", model, "versions", version]
    const place = ["models", model]
    const refuse = (problem: string, line = lineOf(place)) =>
      Result.fail(new ConfigError({ mistakes: [{ source: file, line, problem }] }))
    if (document.contents !== null && !isMap(document.contents)) return refuse("it is not a registry")
    if (document.hasIn(path) && !replace) {
      return refuse(
        `model "${model}" has a version "${version}" already: name another with --version, or --replace it`,
        lineOf(path)
      )
    }
    if (document.hasIn(place) && !isMap(document.getIn([...place, "versions"]))) {
      return refuse(`the versions of "${model}" are not written as a mapping here: add this one by hand`)
    }
    const step = stepOf(document, addition)
    const added = keepLineEnds(text, (text) => setStep(text, step, withValue(value, step.path, step.value)))
    return added === undefined
      ? refuse(
        `what is written of "${model}" is another's, too, by an anchor (&name) and its alias (*name), and would be ` +
          "changed in both places: write the alias out, and add it then"
      )
      : Result.succeed(added)
  })

/** Whether a registry names no models yet: it is empty, or has comments only, or `models: {}`. */
export const isWithoutModels = (value: unknown): boolean => {
  if (value === null) return true
  if (typeof value !== "object" || Array.isArray(value)) return false
  const models: unknown = "models" in value ? value.models : null
  return models === null || (typeof models === "object" && isDeepStrictEqual(models, {}))
}
