/**
 * The settings as people read them: a table for `sluice config`, and the reference page. Pure.
 */
import type { PlacedSetting } from "./Setting.ts"
import { placedSettings, type SettingRow } from "./Settings.ts"

/** Values beyond this width run over their column rather than push every other row apart. */
const widestValue = 28

/** Breaks a sentence into lines of at most this many characters. */
const wrap = (sentence: string, width: number): ReadonlyArray<string> =>
  sentence.split(" ").reduce<ReadonlyArray<string>>((lines, word) => {
    const last = lines.at(-1)
    return last === undefined || last.length + 1 + word.length > width
      ? [...lines, word]
      : [...lines.slice(0, -1), `${last} ${word}`]
  }, [])

const widest = (texts: ReadonlyArray<string>, limit = Number.POSITIVE_INFINITY): number =>
  Math.min(limit, Math.max(0, ...texts.map((text) => text.length)))

/** What `sluice config` prints: each setting with its value, unit and source, and its meaning below. */
export const renderSettingsText = (table: ReadonlyArray<SettingRow>, width = 100): string => {
  const header = { key: "SETTING", env: "ENVIRONMENT", value: "VALUE", unit: "UNIT", source: "FROM", meaning: "" }
  const rows = [header, ...table]
  const key = widest(rows.map((row) => row.key))
  const env = widest(rows.map((row) => row.env))
  const value = widest(rows.map((row) => row.value), widestValue)
  const unit = widest(rows.map((row) => row.unit))
  return rows.map((row) => {
    const cells = [row.key.padEnd(key), row.env.padEnd(env), row.value.padEnd(value), row.unit.padEnd(unit), row.source]
    const meaning = row.meaning === "" ? [] : wrap(row.meaning, width - 4).map((line) => `    ${line}`)
    return [cells.join("  ").trimEnd(), ...meaning].join("\n")
  }).join("\n")
}

/** Text inside a Markdown table's cell. */
const cell = (text: string): string => text.replaceAll("|", String.raw`\|`)

const code = (text: string): string => `\`${text}\``

const markdownRow = ({ key, setting }: PlacedSetting): string => {
  const value = setting.type.print(setting.default)
  const cells = [
    setting.inYaml ? code(key) : "",
    code(setting.env),
    setting.default === undefined ? "unset" : code(value),
    setting.unit,
    setting.type.expected,
    setting.meaning
  ]
  return `| ${cells.map(cell).join(" | ")} |`
}

/** The page `docs/reference/settings.md`. */
export const renderSettingsMarkdown = (): string =>
  `# Settings

<!-- Made from packages/server/src/config/SettingDefinitions.ts by \`npm run docs\`: change it there. -->

A setting comes from the environment, else from a \`.env\` file in the working directory, else from \`config/sluice.yaml\`,
else it has its default. An empty variable counts as not set, as does an empty field of the file. \`sluice config\` prints
the values that hold, and where each comes from.

A plain number counts in the setting's unit. Durations may also be written with one, as \`5 millis\`, \`10s\` or \`2 minutes\`,
and sizes as \`64 MiB\`. Relative paths count from the working directory; those in the YAML file from that file's directory.

| YAML | Environment | Default | Unit | Takes | Meaning |
| --- | --- | --- | --- | --- | --- |
${placedSettings.map(markdownRow).join("\n")}
`
