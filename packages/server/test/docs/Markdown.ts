/**
 * The documentation as tests read it: its pages, their fenced blocks, their links and the first columns of their tables.
 */
import { globSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../../../", import.meta.url))

export interface FencedBlock {
  /** `README.md:12`, the line of its fence. */
  readonly place: string
  /** The first word after the fence; what follows it says that the block is of another kind, as `yaml kubernetes`. */
  readonly language: string
  readonly rest: string
  readonly text: string
}

/** Every page that a user reads, relative to the repository. */
export const pages: ReadonlyArray<string> = [
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  ...globSync("docs/**/*.md", { cwd: root }).toSorted()
]

export const readPage = (page: string): string => readFileSync(join(root, page), "utf8")

const fence = /^ *```(\S*) *(.*)$/

/** A page's fenced blocks, in their order. */
export const fencedBlocks = (page: string): ReadonlyArray<FencedBlock> => {
  const blocks: Array<FencedBlock> = []
  let open: { readonly place: string; readonly language: string; readonly rest: string } | undefined
  let lines: Array<string> = []
  readPage(page).split("\n").forEach((line, index) => {
    const [, language = "", rest = ""] = fence.exec(line) ?? []
    if (!fence.test(line)) lines.push(line)
    else if (open === undefined) open = { place: `${page}:${index + 1}`, language, rest }
    else {
      blocks.push({ ...open, text: lines.join("\n") })
      open = undefined
    }
    if (fence.test(line)) lines = []
  })
  return blocks
}

/** The files that a page links to, relative to the repository. Other sites, and places on the page itself, are left out. */
export const linkedFiles = (page: string): ReadonlyArray<string> =>
  Array.from(readPage(page).matchAll(/\]\(([^)\s]+)\)/g), ([, target = ""]) => target)
    .filter((target) => !/^(https?:|#)/.test(target))
    .map((target) => relative(root, resolve(root, dirname(page), target.replace(/#.*$/, ""))))

/** The cells of each table row that starts with a name in code: `| \`name\` | … |`. */
export const tableRows = (page: string): ReadonlyArray<readonly [name: string, ...cells: Array<string>]> =>
  readPage(page).split("\n").flatMap((line) => {
    const [, name, others] = /^\| `([^`]+)` *\|(.*)\|$/.exec(line) ?? []
    return name === undefined || others === undefined
      ? []
      : [[name, ...others.split("|").map((cell) => cell.trim())] as const]
  })
