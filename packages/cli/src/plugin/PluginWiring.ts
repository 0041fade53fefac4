/**
 * What an operator adds to the configuration for a new plugin, as lines to paste. Pure.
 */
import { dirname, isAbsolute, relative, resolve } from "node:path"

/** Where things are; relative paths count from the same place. */
export interface Wiring {
  readonly name: string
  /** The plugin's folder. */
  readonly folder: string
  /** The settings file. */
  readonly configFile: string
  /** The registry file. */
  readonly registryFile: string
  /** The plugins that hold now. */
  readonly plugins: ReadonlyArray<string>
}

/** The model that the new plugin brings to try it with. */
export const exampleModel = "price"
const exampleFile = "example/price.linear.json"

/** A path as a file has it that counts from its own directory. */
const seenFrom = (file: string, path: string): string => {
  const seen = relative(dirname(resolve(file)), resolve(path)).replaceAll("\\", "/")
  return seen.startsWith("..") || isAbsolute(seen) ? seen : `./${seen}`
}

const isPath = (plugin: string): boolean => plugin.startsWith(".") || isAbsolute(plugin)

/** The value of `plugins`: the new one first, so that it is asked before those that take any ONNX file. */
export const pluginsValue = ({ configFile, folder, plugins }: Wiring): string =>
  [`${folder}/src/main.ts`, ...plugins]
    .map((plugin, index) => index === 0 || isPath(plugin) ? seenFrom(configFile, plugin) : plugin)
    .map((plugin) => JSON.stringify(plugin))
    .join(", ")

/** The registry's lines for the model that comes with it. */
export const registryLines = ({ folder, name, registryFile }: Wiring): ReadonlyArray<string> => [
  "models:",
  `  ${exampleModel}:`,
  "    default_version: \"v1\"",
  "    versions:",
  `      v1: { path: ${JSON.stringify(seenFrom(registryFile, `${folder}/${exampleFile}`))}, plugin: "${name}" }`
]

const indented = (lines: ReadonlyArray<string>, by: number): string =>
  lines.map((line) => " ".repeat(by) + line).join("\n")

/** What the command says when it is done. */
export const nextSteps = (wiring: Wiring): string =>
  `Wrote ${wiring.folder}. It passes its tests as it is:

    npx vitest run --config vitest.workspace.ts ${wiring.folder}

To serve it, let ${wiring.configFile} have

    plugins: [${pluginsValue(wiring)}]

and ${wiring.registryFile}

${indented(registryLines(wiring), 4)}

then sluice serve, and in another terminal: echo '[3, 2]' | sluice predict ${exampleModel} -
\`npm install\` records the new package in package-lock.json; ${wiring.folder}/README.md says what to put where.`

/** What stands in the template's README for its placeholders. */
export const readmeValues = (wiring: Wiring): Readonly<Record<string, string>> => ({
  PLUGINS: pluginsValue(wiring),
  REGISTRY: registryLines(wiring).join("\n"),
  MODEL: exampleModel,
  FOLDER: wiring.folder
})
