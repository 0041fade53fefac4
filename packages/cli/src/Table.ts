/**
 * Columns of text for a terminal. Pure.
 */
import { displayWidth } from "effect/cli/CliOutput"

/** On one line, and cut where it is long. */
export const cell = (text: string, widest = 60): string => {
  const line = text.replaceAll(/\s+/g, " ").trim()
  if (displayWidth(line) <= widest) return line
  let cut = ""
  let width = 0
  for (const character of line) {
    width += displayWidth(character)
    if (width > widest - 1) break
    cut += character
  }
  return `${cut}…`
}

/** Rows under a header, each column as wide as its widest cell; columns without a single value are left out. */
export const renderTable = (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const shown = header.flatMap((_, column) => (rows.some((row) => (row[column] ?? "") !== "") ? [column] : []))
  const lines = [header, ...rows].map((row) => shown.map((column) => row[column] ?? ""))
  const widths = shown.map((_, column) => Math.max(...lines.map((line) => displayWidth(line[column]!))))
  return lines
    .map((line) =>
      line.map((text, column) => text + " ".repeat(widths[column]! - displayWidth(text))).join("  ").trimEnd()
    )
    .join("\n")
}
