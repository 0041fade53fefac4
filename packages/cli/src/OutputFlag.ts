/**
 * How a command prints its answer: for people, or as JSON for programs.
 */
import * as Flag from "effect/cli/Flag"

export type Output = "table" | "json"

export const outputFlag = Flag.Literals("output", ["table", "json"]).pipe(
  Flag.withAlias("o"),
  Flag.withDescription("table for people, json for programs"),
  Flag.withDefault("table" as const)
)

/** JSON as it is printed. */
export const printJson = (value: unknown): string => JSON.stringify(value, null, 2)
