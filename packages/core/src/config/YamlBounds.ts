/**
 * Refuses a text before it is parsed whose parsing would take long: the parser's work goes by the marks of YAML in it, not
 * by its size. Pure; it looks at each character once.
 */

/** A registry of 1 MiB, of some thirty characters a line, has fewer. */
export const mostMarks = 75_000

/** Deeper brackets take the parser's stack, and no configuration has them. */
const deepestBrackets = 100

const codesOf = (characters: string): ReadonlySet<number> =>
  new Set(Array.from(characters, (character) => character.charCodeAt(0)))

const opening = codesOf("[{")
const closing = codesOf("]}")
/** Those that mean something wherever they stand. */
const marks = codesOf("[{,*&!?#\"'")
/** Those that mean something before a blank or the end of a line. */
const marksBeforeBlank = codesOf(":-")
const blank = codesOf(" \t\r\n")
const [lineFeed] = codesOf("\n")

/**
 * What to change; undefined where it may be parsed. A line in which nothing counts is counted twice: as a mistake it costs the
 * parser that much.
 */
export const tooMuchYaml = (text: string): string | undefined => {
  let count = 0
  let atLineStart = 0
  let depth = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (opening.has(code)) depth++
    else if (closing.has(code)) {
      if (depth === 0) count++
      else depth--
    }
    if (depth > deepestBrackets) return `brackets are nested more than ${deepestBrackets} deep: nest them less`
    if (marks.has(code)) count++
    else if (marksBeforeBlank.has(code) && (index + 1 === text.length || blank.has(text.charCodeAt(index + 1)))) count++
    else if (code === lineFeed) {
      if (count === atLineStart) count += 2
      atLineStart = count
    }
    if (count > mostMarks) {
      return `it has more than ${mostMarks} keys, items, brackets, quotes and lines: leave out what the server need not read`
    }
  }
  return undefined
}
