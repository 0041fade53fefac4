/**
 * Columns of text for a terminal. Pure.
 */
import { displayWidth } from "effect/cli/CliOutput"

/** What a terminal would obey rather than show: control characters, and marks that turn the direction of text. */
const orders = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu

/** Without orders to the terminal, which texts from strangers may hold. */
export const harmless = (text: string): string => text.replaceAll(orders, "\ufffd")

/** On one line, and cut where it is long. */
export const cell = (text: string, widest = 60): string => {
  const line = harmless(text.replaceAll(/\s+/g, " ").trim())
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
  const lines = [header, ...rows].map((row) => shown.map((column) => harmless(row[column] ?? "")))
  const widths = shown.map((_, column) => Math.max(...lines.map((line) => displayWidth(line[column]!))))
  return lines
    .map((line) =>
      line.map((text, column) => text + " ".repeat(widths[column]! - displayWidth(text))).join("  ").trimEnd()
    )
    .join("\n")
}
