/**
 * `npm run bench`: the server under load beside its limits, scenario by scenario.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Bench } from "./Bench.ts"
import { type Options, parseOptions, usage, UsageError } from "./Options.ts"
import { readBudgets } from "./report/Budgets.ts"
import { reportOf, type ScenarioReport } from "./report/JsonReport.ts"
import { Skipped } from "./report/Outcome.ts"
import { renderPlot } from "./report/SvgPlot.ts"
import { renderOutcome } from "./report/Table.ts"
import type { Scenario } from "./Scenario.ts"
import { scenarios } from "./scenarios/Scenarios.ts"

/** Progress is not part of what is found. */
const say = (line: string): void => {
  process.stderr.write(`  ${line}\n`)
}

const budgets = readBudgets()

/** What an interruption must end. */
let current: Bench | undefined

const runScenario = async (scenario: Scenario, options: Options): Promise<ScenarioReport> => {
  const bench = new Bench(options, budgets.get(scenario.name) ?? new Map(), say)
  current = bench
  try {
    await scenario.run(bench)
    return { scenario: scenario.name, about: scenario.about, outcome: bench.outcome }
  } catch (error) {
    if (error instanceof Skipped) return { scenario: scenario.name, about: scenario.about, skipped: error.message }
    const failure = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { scenario: scenario.name, about: scenario.about, failed: failure }
  } finally {
    await bench.close()
  }
}

const print = (report: ScenarioReport): void => {
  console.log(`\n## ${report.scenario}\n\n${report.about}\n`)
  if ("outcome" in report) console.log(renderOutcome(report.outcome))
  else if ("skipped" in report) console.log(`skipped: ${report.skipped}`)
  else console.log(`FAILED: ${report.failed}`)
}

const writePlots = (folder: string, report: ScenarioReport): void => {
  if (!("outcome" in report)) return
  mkdirSync(folder, { recursive: true })
  for (const plot of report.outcome.plots) {
    const file = join(folder, `${report.scenario}-${plot.name}.svg`)
    writeFileSync(file, renderPlot(plot))
    console.log(`\nplot: ${file}`)
  }
}

const list = (): void => {
  const width = Math.max(...scenarios.map(({ name }) => name.length))
  console.log("Scenarios:\n")
  for (const { about, name } of scenarios) console.log(`  ${name.padEnd(width)}  ${about}`)
  console.log(`\n${usage}`)
}

const main = async (): Promise<void> => {
  const options = parseOptions(process.argv.slice(2), scenarios.map(({ name }) => name))
  if (options.help || options.scenarios.length === 0) return list()
  const startedAt = new Date()
  const reports: Array<ScenarioReport> = []
  for (const name of options.scenarios) {
    const scenario = scenarios.find((each) => each.name === name)!
    say(name)
    const report = await runScenario(scenario, options)
    reports.push(report)
    print(report)
    if (options.plots !== undefined) writePlots(options.plots, report)
    // After each, so that what was measured is kept when a later one is interrupted
    if (options.json !== undefined) {
      writeFileSync(options.json, `${JSON.stringify(reportOf(startedAt, options, reports), undefined, 2)}\n`)
    }
  }
  if (reports.some((report) => "failed" in report)) process.exitCode = 1
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    void current?.close().finally(() => process.exit(130))
    if (current === undefined) process.exit(130)
  })
}

try {
  await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(`${error.message}\n\n${usage}`)
  process.exitCode = 2
}
