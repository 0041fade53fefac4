/**
 * A parsed YAML text that still knows on which line each field stands.
 */
import * as Result from "effect/Result"
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap
} from "yaml"
import { ConfigError, configError, type ConfigMistake, fieldPath } from "./ConfigError.ts"
import { tooMuchYaml } from "./YamlBounds.ts"

export interface YamlDocument {
  /** The file as the operator gave it. */
  readonly file: string
  /** Plain objects, arrays, strings, numbers, booleans and nulls; null for an empty text. */
  readonly value: unknown
  /** The line of a field, or of its nearest parent that is there, from 1. */
  readonly lineOf: (path: ReadonlyArray<PropertyKey>) => number
}

export type YamlPath = ReadonlyArray<PropertyKey>

/** How often aliases may multiply. Ten anchors that nest tenfold would otherwise fill the memory. */
const maxAliasCount = 100

/** More aliases than a person writes; the parser looks through all of them for each. */
const maxAliases = 1000

/** Deeper nesting is an attack or an accident, and would overflow the stack of whoever walks the value. */
const maxDepth = 64

const keyOf = (key: unknown): string => String(isScalar(key) ? key.value : key)

const offsetOf = (node: unknown): number | undefined => {
  const range = typeof node === "object" && node !== null && "range" in node ? node.range : undefined
  return Array.isArray(range) && typeof range[0] === "number" ? range[0] : undefined
}

/** What each alias stands for. */
type Targets = ReadonlyMap<Alias, Node>

/**
 * What the parser lets pass: keys given twice, values that contain themselves, and depths no configuration has. Beside them
 * what each alias stands for, which the parser would look through the document for each time.
 */
const inspect = (
  document: Document.Parsed,
  source: string,
  lineAt: (offset: number | undefined) => number
): { readonly mistakes: ReadonlyArray<ConfigMistake>; readonly targets: Targets } => {
  const mistakes: Array<ConfigMistake> = []
  const anchors = new Map<string, Node>()
  const targets = new Map<Alias, Node>()
  let aliases = 0
  const add = (node: unknown, path: YamlPath, problem: string): void => {
    mistakes.push({ source, line: lineAt(offsetOf(node)), field: fieldPath(path), problem })
  }
  const walkMap = (items: ReadonlyArray<Pair>, path: YamlPath, parents: ReadonlyArray<unknown>): void => {
    const lines = new Map<string, number>()
    for (const pair of items) {
      const key = keyOf(pair.key)
      const line = lineAt(offsetOf(pair.key))
      const first = lines.get(key)
      // Assigned to an object, this key would set its prototype instead of a field.
      if (key === "__proto__") add(pair.key, [...path, key], "this name cannot be used")
      if (first === undefined) lines.set(key, line)
      else {
        const problem = `there are two of this name, on lines ${first} and ${line}: rename or remove one`
        add(pair.key, [...path, key], problem)
      }
      walk(pair.value, [...path, key], parents)
    }
  }
  const walk = (node: unknown, path: YamlPath, parents: ReadonlyArray<unknown>): void => {
    if (path.length > maxDepth) return add(node, path.slice(0, 3), `nested more than ${maxDepth} levels deep`)
    if ((isMap(node) || isSeq(node) || isScalar(node)) && node.anchor !== undefined) anchors.set(node.anchor, node)
    if (isMap(node)) return walkMap(node.items, path, [...parents, node])
    if (isSeq(node)) {
      return node.items.forEach((item, index) => walk(item, [...path, index], [...parents, node]))
    }
    if (!isAlias(node)) return
    if (++aliases === maxAliases + 1) add(node, path, `there are more than ${maxAliases} aliases (*name) up to here`)
    const target = anchors.get(node.source)
    if (target === undefined) {
      return add(
        node,
        path,
        `there is no anchor (&) of this alias's name before it: put text that begins with * in quotes`
      )
    }
    targets.set(node, target)
    // An alias can only refer to what came before it, so a circle always closes at a parent.
    if (parents.includes(target)) add(node, path, `*${node.source} refers to a value that this is a part of`)
  }
  walk(document.contents, [], [])
  return { mistakes, targets }
}

/** Sentences of the parser that speak to programmers, by their beginning. */
const plainReasons = [
  ["Maximum call stack", "nested too deeply"],
  ["With stringKeys", "a key must be text, not a list or a mapping"],
  ["Source contains multiple documents", "a second document starts here (---), and one is expected"]
] as const

/** The parser's errors, in a few words and without its advice to programmers. */
const syntaxMistakes = (
  document: Document.Parsed,
  source: string,
  lineAt: (offset: number | undefined) => number
): ReadonlyArray<ConfigMistake> => {
  const byText = new Map<string, ConfigMistake>()
  for (const error of document.errors) {
    const [sentence = error.message] = error.message.split("\n")
    const reason = plainReasons.find(([start]) => sentence.startsWith(start))?.[1] ?? sentence
    const line = lineAt(error.pos[0])
    byText.set(`${line} ${reason}`, { source, line, problem: `not valid YAML: ${reason}` })
  }
  return [...byText.values()]
}

/** Finds the pairs of a mapping by their keys: long ones are looked into often. */
const pairFinder = () => {
  const known = new WeakMap<YAMLMap, ReadonlyMap<string, Pair>>()
  return (map: YAMLMap, key: PropertyKey): Pair | undefined => {
    const pairs = known.get(map) ?? new Map(map.items.map((pair) => [keyOf(pair.key), pair]))
    known.set(map, pairs)
    return pairs.get(String(key))
  }
}

/** Follows a path through mappings, lists and aliases to the offset where its last key stands. */
const offsetOfPath = (
  document: Document.Parsed,
  path: YamlPath,
  targets: Targets,
  pairOf: ReturnType<typeof pairFinder>
): number | undefined => {
  let node: unknown = document.contents
  let offset = offsetOf(node)
  for (const key of path) {
    if (isAlias(node)) node = targets.get(node)
    if (isMap(node)) {
      const pair = pairOf(node, key)
      if (pair === undefined) return offset
      offset = offsetOf(pair.key) ?? offset
      node = pair.value
    } else if (isSeq(node) && typeof key === "number") {
      const item = node.items[key]
      if (item === undefined) return offset
      node = item
      offset = offsetOf(node) ?? offset
    } else return offset
  }
  return offset
}

/** Parses one YAML document. Syntax errors and keys given twice are mistakes with their lines. */
export const parseYaml = (text: string, file: string): Result.Result<YamlDocument, ConfigError> => {
  const lineCounter = new LineCounter()
  const lineAt = (offset: number | undefined): number =>
    offset === undefined ? 1 : lineCounter.linePos(offset).line || 1
  const refuse = (problem: string, cause: unknown) => new ConfigError({ mistakes: [{ source: file, problem }], cause })
  return Result.gen(function*() {
    const excess = tooMuchYaml(text)
    if (excess !== undefined) return yield* Result.fail(refuse(excess, undefined))
    const document = yield* Result.try({
      try: () =>
        parseDocument(text, {
          lineCounter,
          prettyErrors: false,
          stringKeys: true,
          uniqueKeys: false,
          logLevel: "error"
        }),
      catch: (cause) => refuse("not valid YAML: it cannot be parsed, perhaps nested too deeply", cause)
    })
    const syntax = syntaxMistakes(document, file, lineAt)
    const { mistakes, targets } = syntax.length > 0
      ? { mistakes: syntax, targets: new Map() }
      : inspect(document, file, lineAt)
    const error = configError(mistakes)
    if (error !== undefined) return yield* Result.fail(error)
    const value: unknown = yield* Result.try({
      try: () => document.toJS({ maxAliasCount }),
      catch: (cause) => refuse(`its aliases (*name) multiply to more than ${maxAliasCount} values`, cause)
    })
    const pairOf = pairFinder()
    return { file, value, lineOf: (path) => lineAt(offsetOfPath(document, path, targets, pairOf)) }
  })
}
