/**
 * `load/budgets.yaml`: what each scenario must reach, by scenario and by the name of its demand.
 */
import { readFileSync } from "node:fs"
import { parse } from "yaml"

export interface Budget {
  readonly bound: "at_least" | "at_most"
  readonly limit: number
  /** What is demanded, in words, for the table. */
  readonly demand: string
}

export type Budgets = ReadonlyMap<string, ReadonlyMap<string, Budget>>

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const budgetOf = (place: string, value: unknown): Budget => {
  if (!isMapping(value)) throw new Error(`${place}: expected a mapping with "demand" and a bound`)
  const { at_least: atLeast, at_most: atMost, demand, ...others } = value
  if (typeof demand !== "string") throw new Error(`${place}: "demand" must say in words what is demanded`)
  const unknown = Object.keys(others)
  if (unknown.length > 0) throw new Error(`${place}: unknown ${unknown.join(", ")}`)
  const limits = [atLeast, atMost].filter((limit) => limit !== undefined)
  const [limit] = limits
  if (limits.length !== 1 || typeof limit !== "number") {
    throw new Error(`${place}: expected one number, in "at_least" or in "at_most"`)
  }
  return { bound: atLeast === undefined ? "at_most" : "at_least", limit, demand }
}

/** Throws a sentence that names the place where the text is not as it should be. */
export const parseBudgets = (text: string): Budgets => {
  const file: unknown = parse(text)
  if (!isMapping(file)) throw new Error("budgets: expected scenarios by name")
  return new Map(
    Object.entries(file).map(([scenario, demands]) => {
      if (!isMapping(demands)) throw new Error(`${scenario}: expected demands by name`)
      return [
        scenario,
        new Map(Object.entries(demands).map(([name, value]) => [name, budgetOf(`${scenario}.${name}`, value)]))
      ]
    })
  )
}

export const readBudgets = (): Budgets =>
  parseBudgets(readFileSync(new URL("../../budgets.yaml", import.meta.url), "utf8"))
