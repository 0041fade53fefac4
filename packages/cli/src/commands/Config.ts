/**
 * `sluice config`: every setting with what holds, where it comes from and what it does.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { helpText } from "../HelpText.ts"
import { outputFlag, printJson } from "../OutputFlag.ts"

const widest = 120

export const config = Command.make(
  "config",
  {
    config: Flag.String("config").pipe(
      Flag.withDescription("The file with the settings (SLUICE_CONFIG), config/sluice.yaml when left out"),
      Flag.withMetavar("FILE"),
      Flag.optional
    ),
    output: outputFlag
  },
  Effect.fnUntraced(function*({ config, output }) {
    const { loadSettings } = yield* Effect.promise(() => import("@sluice/server/config/LoadSettings"))
    const { renderSettingsText } = yield* Effect.promise(() => import("@sluice/server/config/SettingsReference"))
    const env = Option.isSome(config) ? { ...process.env, SLUICE_CONFIG: config.value } : process.env
    const { notices, table } = yield* loadSettings({ env })
    const width = Math.min(process.stdout.columns ?? widest, widest)
    yield* Console.log(output === "json" ? printJson(table) : renderSettingsText(table, width))
    for (const notice of notices) yield* Console.error(`note: ${notice}`)
  })
).pipe(
  Command.withShortDescription("Show every setting: value, unit, source, meaning"),
  Command.withDescription(helpText(
    "Show every setting: its key in config/sluice.yaml, its variable, the value that holds, where that " +
      "comes from and what moving it does. Secrets are shown as <redacted>.",
    "A setting comes from the environment, else from .env in the working directory, else from " +
      "config/sluice.yaml, else it has its default. A mistake in any of them is named with its file, line " +
      "and field, and ends with exit code 1: use it to check a configuration before a restart."
  )),
  Command.withExamples([
    { command: "sluice config", description: "What a server that is started here would use" },
    { command: "BATCH_WINDOW=2ms sluice config", description: "See that a variable is read as meant" },
    {
      command: "sluice config --output json | jq '.[] | select(.source != \"default\")'",
      description: "Only what is not at its default"
    }
  ])
)
