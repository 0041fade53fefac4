/**
 * `sluice plugin`: for those who write backends.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { helpText } from "../HelpText.ts"

const create = Command.make("new", {
  name: Argument.String("name").pipe(
    Argument.withDescription("Its name in a registry's `plugin:`: lower-case letters, digits and hyphens")
  ),
  directory: Flag.String("directory").pipe(
    Flag.withDescription(
      "The folder to write, plugins/NAME when left out; inside the workspace, so that imports resolve"
    ),
    Flag.withMetavar("DIR"),
    Flag.optional
  )
}, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("../plugin/RunPluginNew.ts")),
    ({ runPluginNew }) => runPluginNew(options)
  )).pipe(
    Command.withShortDescription("Write a plugin that passes its tests, to start from"),
    Command.withDescription(helpText(
      "Write a plugin to start from: package.json, src/main.ts, a test that runs the conformance suite " +
        "of the plugin contract, and a README. It serves linear models from JSON files, loads, passes its " +
        "tests and type-checks as it is; replace its load and codec with yours.",
      "Prints what to add to config/sluice.yaml and to the registry. Nothing is overwritten."
    )),
    Command.withExamples([
      { command: "sluice plugin new my-backend", description: "Write plugins/my-backend" },
      {
        command: "npx vitest run --config vitest.workspace.ts plugins/my-backend",
        description: "Run its tests"
      }
    ])
  )

export const plugin = Command.make("plugin").pipe(
  Command.withDescription("Write plugins: backends that serve models of another kind."),
  Command.withShortDescription("Write plugins"),
  Command.withSubcommands([create])
)
