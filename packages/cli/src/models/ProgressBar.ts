/**
 * How far a file has come, as a line of a terminal. Pure.
 */

const units = ["B", "KiB", "MiB", "GiB", "TiB"]

/** Bytes as people read them: `22.8 MiB`. */
export const sizeText = (bytes: number): string => {
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(bytes, 1)) / 10)))
  const value = bytes / 1024 ** power
  return `${power === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[power]}`
}

const barWidth = 24

/** The end of a long name, which tells more than its beginning. */
const shortened = (name: string, width: number): string => name.length <= width ? name : `…${name.slice(1 - width)}`

export const progressLine = (file: string, received: number, total: number | undefined, columns: number): string => {
  const share = total === undefined || total === 0 ? undefined : Math.min(1, received / total)
  const bar = share === undefined
    ? ""
    : `[${"=".repeat(Math.round(share * barWidth)).padEnd(barWidth)}] ${String(Math.floor(share * 100)).padStart(3)} % `
  const amount = total === undefined ? sizeText(received) : `${sizeText(received)} of ${sizeText(total)}`
  const rest = `${bar}${amount}`
  return `${shortened(file, Math.max(8, columns - rest.length - 2))} ${rest}`
}
