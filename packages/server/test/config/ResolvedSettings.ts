/**
 * Settings resolved from what a test gives, and what is said of those that cannot be.
 */
import { assert } from "@effect/vitest"
import { parseYaml } from "@sluice/core/config/YamlDocument"
import { resolveSettings, type Variables } from "@sluice/server/config/Settings"
import * as Result from "effect/Result"

export interface Given {
  readonly env?: Variables
  readonly dotenv?: Variables
  readonly yaml?: string
}

export const attempt = ({ dotenv = {}, env = {}, yaml }: Given) =>
  resolveSettings({
    env,
    dotenv,
    yaml: yaml === undefined ? undefined : Result.getOrThrow(parseYaml(yaml, "config/sluice.yaml"))
  })

export const resolve = (given: Given) => Result.getOrThrow(attempt(given))

export const row = (given: Given, key: string) => {
  const row = resolve(given).table.find((row) => row.key === key)
  assert.isDefined(row)
  return row
}

export const complaint = (given: Given): string => {
  const result = attempt(given)
  assert.isTrue(Result.isFailure(result), "a mistake was expected")
  return Result.isFailure(result) ? result.failure.message : ""
}
