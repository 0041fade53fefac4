/**
 * From Effect's schema issues to sentences about the operator's file: line, field, what was expected, what is there.
 */
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import { type ConfigMistake, fieldPath } from "./ConfigError.ts"
import { didYouMean } from "./Suggestion.ts"
import type { YamlDocument, YamlPath } from "./YamlDocument.ts"

const format = SchemaIssue.makeFormatterDefault()

/** The formatter's types in the words of YAML. */
const plainWords: Readonly<Record<string, string>> = {
  object: "a mapping",
  array: "a list",
  string: "text",
  number: "a number",
  boolean: "true or false"
}

const valueAt = (value: unknown, path: YamlPath): unknown =>
  path.reduce<unknown>(
    (parent, key) =>
      typeof parent === "object" && parent !== null && Object.hasOwn(parent, key)
        ? (parent as Readonly<Record<PropertyKey, unknown>>)[key]
        : undefined,
    value
  )

const expectation = (issue: SchemaIssue.Issue): string => {
  const [sentence = ""] = format(issue).split("\n")
  const expected = sentence.replace(/^Expected /, "")
  return expected === sentence ? sentence : `expected ${plainWords[expected] ?? expected}`
}

/** The texts that a choice allows, to suggest the one that was meant. */
const choices = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  ast._tag === "Literal" && typeof ast.literal === "string"
    ? [ast.literal]
    : ast._tag === "Union"
    ? ast.types.flatMap(choices)
    : []

const fieldsOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  ast._tag === "Objects" ? ast.propertySignatures.map((property) => String(property.name)) : []

/** Mappings told apart by the text of one field: that field, and the texts it may have. */
const discriminator = (ast: SchemaAST.AST) => {
  if (ast._tag !== "Union") return undefined
  for (const key of fieldsOf(ast.types[0] ?? ast)) {
    const texts = ast.types.map((member) =>
      member._tag === "Objects" ? member.propertySignatures.find((property) => property.name === key)?.type : undefined
    )
    if (texts.every((text) => text?._tag === "Literal")) {
      return { key, choices: texts.flatMap((text) => text === undefined ? [] : choices(text)) }
    }
  }
  return undefined
}

const unknownField = (key: PropertyKey, ast: SchemaAST.AST): string => {
  const known = fieldsOf(ast)
  const suggestion = didYouMean(String(key), known)
  return `unknown field${suggestion === "" ? `: the fields here are ${known.join(", ")}` : suggestion}`
}

/** YAML tells text from numbers and booleans by quotes alone, so they are the commonest slip. */
const quotesAdvice = (expected: string, found: unknown): string => {
  const bare = typeof found === "number" || typeof found === "boolean"
  if (expected === "expected text" && bare) return ": put it in quotes"
  const quoted = typeof found === "string" && (expected === `expected ${plainWords["boolean"]}`
    ? found === "true" || found === "false"
    : expected === `expected ${plainWords["number"]}` && found !== "" && Number.isFinite(Number(found)))
  return quoted ? ": leave the quotes out" : ""
}

const mismatch = (
  issue: SchemaIssue.Issue,
  ast: SchemaAST.AST | undefined,
  found: unknown,
  describe: (value: unknown) => string
): string => {
  const expected = expectation(issue)
  const suggestion = typeof found === "string" && ast !== undefined ? didYouMean(found, choices(ast)) : ""
  return `${expected}, got ${describe(found)}${suggestion}${quotesAdvice(expected, found)}`
}

/** More than these help nobody, and looking for their lines takes time that grows with their square. */
const mostMistakes = 1000

/** The mistakes of an issue tree, in the order of the tree; the first thousand. */
export const schemaMistakes = (
  issue: SchemaIssue.Issue,
  document: YamlDocument,
  describe: (value: unknown) => string
): ReadonlyArray<ConfigMistake> => {
  const mistakes: Array<ConfigMistake> = []
  const add = (path: YamlPath, problem: string): void => {
    if (mistakes.length >= mostMistakes) return
    const field = fieldPath(path)
    // One value may fail several checks ("an integer", "1 or more"); the first is enough to mend it.
    if (mistakes.some((mistake) => mistake.field === field)) return
    mistakes.push({ source: document.file, line: document.lineOf(path), field, problem })
  }
  const addUnion = (issue: SchemaIssue.AnyOf, path: YamlPath): void => {
    const found = valueAt(document.value, path)
    const members = discriminator(issue.ast)
    if (members === undefined) return add(path, mismatch(issue, issue.ast, found, describe))
    if (typeof found !== "object" || found === null || Array.isArray(found)) {
      return add(path, `expected a mapping, got ${describe(found)}`)
    }
    const inner = [...path, members.key]
    const text = valueAt(document.value, inner)
    const expected = `expected ${members.choices.map((choice) => `"${choice}"`).join(" | ")}`
    const suggestion = typeof text === "string" ? didYouMean(text, members.choices) : ""
    add(inner, `${expected}, got ${describe(text)}${suggestion}`)
  }
  const walk = (issue: SchemaIssue.Issue, path: YamlPath): void => {
    switch (issue._tag) {
      case "Pointer":
        return walk(issue.issue, [...path, ...issue.path])
      case "Encoding":
        return walk(issue.issue, path)
      case "Composite":
        return issue.issues.forEach((inner) => walk(inner, path))
      case "AnyOf":
        return issue.issues.length > 0 ? issue.issues.forEach((inner) => walk(inner, path)) : addUnion(issue, path)
      case "MissingKey":
        return add(path, "this field is required")
      case "UnexpectedKey":
        return add(path, unknownField(path.at(-1) ?? "", issue.ast))
      case "Filter":
        // A check that points deeper knows its field better than the filter around it does.
        return issue.issue._tag === "Pointer" || issue.issue._tag === "Composite"
          ? walk(issue.issue, path)
          : add(path, mismatch(issue, undefined, valueAt(document.value, path), describe))
      default:
        return add(
          path,
          mismatch(issue, "ast" in issue ? issue.ast : undefined, valueAt(document.value, path), describe)
        )
    }
  }
  walk(issue, [])
  return mistakes
}
