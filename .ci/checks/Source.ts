/**
 * What the checks know of one file: its imports and its double casts, read from the syntax tree of the parser that Vite brings.
 */
import { posix } from "node:path"
import { parseSync } from "vite"

export interface Import {
  readonly specifier: string
  /** `url` is `new URL("./x.ts", import.meta.url)`: a worker's entry, which is loaded, but not by its creator. */
  readonly kind: "value" | "type" | "url"
  readonly line: number
}

export interface Source {
  readonly path: string
  readonly imports: ReadonlyArray<Import>
  /** The lines of `x as unknown as T`. */
  readonly doubleCasts: ReadonlyArray<number>
  readonly syntaxErrors: ReadonlyArray<string>
}

interface Node {
  readonly type: string
  readonly start: number
  readonly [field: string]: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "type" in value && typeof value.type === "string"

const textOf = (node: unknown): string | undefined =>
  isNode(node) && node.type === "Literal" && typeof node["value"] === "string" ? node["value"] : undefined

const isUrlOfModule = (node: Node): boolean =>
  isNode(node["callee"]) && node["callee"]["name"] === "URL" && Array.isArray(node["arguments"]) &&
  /\.[mc]?[jt]s$/.test(textOf(node["arguments"][0]) ?? "")

/** The specifier's node and the kind of an import, for the nodes that are one. */
const importOf = (node: Node): readonly [specifier: unknown, kind: Import["kind"]] | undefined => {
  switch (node.type) {
    case "ImportDeclaration":
      return [node["source"], node["importKind"] === "type" ? "type" : "value"]
    case "ExportAllDeclaration":
    case "ExportNamedDeclaration":
      return [node["source"], node["exportKind"] === "type" ? "type" : "value"]
    case "ImportExpression":
      return [node["source"], "value"]
    case "TSImportType":
      return [node["source"], "type"]
    case "NewExpression":
      return isUrlOfModule(node) ? [(node["arguments"] as ReadonlyArray<unknown>)[0], "url"] : undefined
    default:
      return undefined
  }
}

const isDoubleCast = (node: Node): boolean => {
  const inner = node["expression"]
  return node.type === "TSAsExpression" && isNode(inner) && inner.type === "TSAsExpression" &&
    isNode(inner["typeAnnotation"]) && inner["typeAnnotation"].type === "TSUnknownKeyword"
}

const visit = (value: unknown, onNode: (node: Node) => void): void => {
  if (Array.isArray(value)) {
    for (const each of value) visit(each, onNode)
  } else if (isNode(value)) {
    onNode(value)
    for (const each of Object.values(value)) if (typeof each === "object") visit(each, onNode)
  }
}

export const readSource = (path: string, text: string): Source => {
  const parsed = parseSync(posix.basename(path), text)
  const imports: Array<Import> = []
  const doubleCasts: Array<number> = []
  const lineOf = (node: Node) => text.slice(0, node.start).split("\n").length
  visit(parsed.program, (node) => {
    const found = importOf(node)
    const specifier = textOf(found?.[0])
    if (found !== undefined && specifier !== undefined) imports.push({ specifier, kind: found[1], line: lineOf(node) })
    if (isDoubleCast(node)) doubleCasts.push(lineOf(node))
  })
  return { path, imports, doubleCasts, syntaxErrors: parsed.errors.map((error) => error.message) }
}
