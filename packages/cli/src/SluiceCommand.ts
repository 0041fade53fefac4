/**
 * The root of the commands: what `sluice --help` shows.
 */
import * as Command from "effect/cli/Command"
import { config } from "./commands/Config.ts"
import { keys } from "./commands/Keys.ts"
import { models } from "./commands/Models.ts"
import { plugin } from "./commands/Plugin.ts"
import { predict } from "./commands/Predict.ts"
import { serve } from "./commands/Serve.ts"
import { helpText } from "./HelpText.ts"

export const sluice = Command.make("sluice").pipe(
  Command.withDescription(helpText(
    "Serve machine-learning models, and ask them.",
    "A model is a line in config/model_registry.yaml; a server reads it and answers over HTTP, the Open " +
      "Inference Protocol and RPC. Start one in one terminal with sluice serve, and ask it in another " +
      "with sluice predict. Each command's own --help has its examples. Exit codes: 0 done, 1 failed with " +
      "a sentence on stderr, 2 called wrongly."
  )),
  Command.withExamples([
    { command: "sluice serve", description: "Serve the models of config/model_registry.yaml on http://localhost:8000" },
    { command: "sluice predict sentiment \"I love this product!\"", description: "Ask one of them" },
    { command: "sluice models", description: "What is served, by which plugin and why" },
    { command: "sluice keys create --id search --role predict", description: "A key for a caller" },
    { command: "sluice config", description: "Every setting: its value, where that comes from, what it does" },
    { command: "sluice plugin new my-backend", description: "Write a plugin that passes its tests, to start from" },
    {
      command: "source <(sluice --completions bash)",
      description: "Complete commands and flags in this shell (bash, zsh, fish)"
    }
  ]),
  Command.withSubcommands([serve, predict, models, keys, config, plugin])
)
