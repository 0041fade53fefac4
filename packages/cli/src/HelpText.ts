/**
 * Descriptions for `--help`, in lines that fit a terminal. Pure.
 */

const width = 98

/** The formatter indents a description's first line by itself. */
const indent = "  "

const wrap = (paragraph: string): ReadonlyArray<string> =>
  paragraph.split(" ").reduce<ReadonlyArray<string>>((lines, word) => {
    const last = lines.at(-1)
    return last === undefined || last.length + 1 + word.length > width
      ? [...lines, word]
      : [...lines.slice(0, -1), `${last} ${word}`]
  }, [])

/** Paragraphs with an empty line between them. */
export const helpText = (...paragraphs: ReadonlyArray<string>): string =>
  paragraphs.map((paragraph) => wrap(paragraph).join(`\n${indent}`)).join(`\n\n${indent}`)
