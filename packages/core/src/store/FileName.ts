/**
 * Names of a model's files within its folder. They come from a hub or a lock file, so none may lead out of it. Pure.
 */

const longestName = 1024
const longestSegment = 255

// oxlint-disable-next-line no-control-regex
const control = /[\u0000-\u001f\u007f]/

/** What is wrong with a file's name; undefined for a relative path with `/` between its parts that stays inside. */
export const fileNameMistake = (name: string): string | undefined => {
  if (name === "") return "it is empty"
  if (control.test(name)) return "it has control characters"
  if (name.includes("\\")) return "it has a backslash"
  if (name.startsWith("/")) return "it is an absolute path"
  if (name.includes(":")) return "it has a colon, as a drive has"
  if (Buffer.byteLength(name) > longestName) return `it is longer than ${longestName} bytes`
  for (const segment of name.split("/")) {
    if (segment === "") return "it has an empty part"
    if (segment === "." || segment === "..") return `it has the part "${segment}", which leads elsewhere`
    if (Buffer.byteLength(segment) > longestSegment) return `it has a part of more than ${longestSegment} bytes`
  }
  return undefined
}

export const isFileName = (name: string): boolean => fileNameMistake(name) === undefined
