/**
 * The command line of `npm run bench`.
 */
import { parseArgs } from "node:util"

export interface Options {
  /** As named; empty when the scenarios are to be listed. */
  readonly scenarios: ReadonlyArray<string>
  readonly rounds: number
  /** Of one measurement. */
  readonly seconds: number
  /** Of one overload, and of one run with kills. */
  readonly long: number
  /** The first port; each process takes the next one. */
  readonly port: number
  readonly json: string | undefined
  readonly plots: string | undefined
  readonly twin: boolean
  readonly help: boolean
}

export class UsageError extends Error {
  override readonly name = "UsageError"
}

export const usage = `npm run bench -- [SCENARIO... | all] [options]

Without a scenario: lists them.

  --rounds N      rounds; every figure is their median, with least and most (3)
  --seconds N     seconds of one measurement (3)
  --long N        seconds of one overload, and of one run with kills (20)
  --port N        the first port; every process that is started takes the next (18700)
  --json FILE     writes all figures, round by round
  --plots DIR     draws plots, for which more is measured
  --twin          makes the FastAPI twin's Python environment in the cache folder
  --help          this text

SLUICE_SHARED_MODELS names the folder of the models and corpora that do not ship.`

/** wrk takes whole seconds. */
const whole = (flag: string, text: string, least: number): number => {
  const value = Number(text)
  if (text.trim() === "" || !Number.isInteger(value) || value < least) {
    throw new UsageError(`--${flag} takes a whole number of ${least} or more, not "${text}"`)
  }
  return value
}

const parse = (args: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        rounds: { type: "string", default: "3" },
        seconds: { type: "string", default: "3" },
        long: { type: "string", default: "20" },
        port: { type: "string", default: "18700" },
        json: { type: "string" },
        plots: { type: "string" },
        twin: { type: "boolean", default: false },
        help: { type: "boolean", default: false }
      }
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/** Throws `UsageError`. */
export const parseOptions = (args: ReadonlyArray<string>, known: ReadonlyArray<string>): Options => {
  const { positionals, values } = parse(args)
  const unknown = positionals.filter((name) => name !== "all" && !known.includes(name))
  if (unknown.length > 0) {
    throw new UsageError(`no scenario is named ${unknown.map((name) => `"${name}"`).join(", ")}`)
  }
  return {
    scenarios: positionals.includes("all") ? known : positionals,
    rounds: whole("rounds", values.rounds, 1),
    seconds: whole("seconds", values.seconds, 1),
    long: whole("long", values.long, 4),
    port: whole("port", values.port, 1),
    json: values.json,
    plots: values.plots,
    twin: values.twin,
    help: values.help
  }
}
