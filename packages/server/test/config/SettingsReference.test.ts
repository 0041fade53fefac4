import { assert, describe, it } from "@effect/vitest"
import { placedSettings, resolveSettings, type SettingRow } from "@sluice/server/config/Settings"
import { renderSettingsMarkdown, renderSettingsText } from "@sluice/server/config/SettingsReference"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const rowOf = (key: string, value: string, meaning: string): SettingRow => ({
  key,
  env: "NAME",
  value,
  unit: "ms",
  source: "default",
  meaning
})

describe("renderSettingsText", () => {
  it("aligns the columns and puts the meaning below", () => {
    const text = renderSettingsText(
      [rowOf("a", "1", "What it does."), rowOf("longer.key", "22", "What it does, too.")],
      24
    )
    assert.strictEqual(
      text,
      [
        "SETTING     ENVIRONMENT  VALUE  UNIT  FROM",
        "a           NAME         1      ms    default",
        "    What it does.",
        "longer.key  NAME         22     ms    default",
        "    What it does, too."
      ].join("\n")
    )
  })

  it("loses no word of a meaning and keeps to the width", () => {
    const word = fc.stringMatching(/^[a-z]{1,12}$/)
    fc.assert(fc.property(fc.array(word, { minLength: 1, maxLength: 40 }), (words) => {
      const lines = renderSettingsText([rowOf("a", "1", words.join(" "))], 40).split("\n").slice(2)
      assert.deepStrictEqual(lines.flatMap((line) => line.trim().split(" ")), words)
      for (const line of lines) assert.isAtMost(line.length, 40)
    }))
  })

  it("shows every setting that holds", () => {
    const { table } = Result.getOrThrow(resolveSettings({ env: { PORT: "9000" }, dotenv: {}, yaml: undefined }))
    const lines = renderSettingsText(table).split("\n")
    for (const { key } of placedSettings) assert.isTrue(lines.some((line) => line.startsWith(`${key} `)), key)
    assert.include(lines.find((line) => line.startsWith("server.port "))?.replaceAll(/ +/g, " "), "PORT 9000 env PORT")
  })
})

describe("renderSettingsMarkdown", () => {
  const rows = renderSettingsMarkdown().split("\n").filter((line) => line.startsWith("| "))

  it("has a row a setting, each of six cells", () => {
    assert.strictEqual(rows.length, placedSettings.length + 2)
    for (const row of rows) assert.strictEqual(row.split(/(?<!\\)\|/).length, 8, row)
  })
})
