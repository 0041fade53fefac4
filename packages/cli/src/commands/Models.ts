/**
 * `sluice models`: what is served, by which plugin and why.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { helpText } from "../HelpText.ts"
import { outputFlag } from "../OutputFlag.ts"
import { serverFlags } from "../ServerFlags.ts"
import { apply, load, rollout, unload } from "./ModelChanges.ts"
import { add, inspect, pull } from "./ModelFiles.ts"

const tune = Command.make("tune", {
  model: Argument.String("model").pipe(
    Argument.withDescription("A model of the registry by name, or one version of it by name@version")
  ),
  output: outputFlag
}, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("../models/RunTune.ts")),
    ({ runTune }) => runTune(options)
  )).pipe(
    Command.withShortDescription("Measure a model on this machine, and choose its plan by that"),
    Command.withDescription(helpText(
      "Measure a version of the registry on this machine: instances × threads, batches that grow while that " +
        "pays, short rows and long ones. Prints the table, and which plan it speaks for and why.",
      "The table is kept in SLUICE_CACHE_DIR by the model file, plugin, machine and runtime. A server that " +
        "starts afterwards uses it where the registry does not fix instances, threads or max_batch_size; " +
        "optimize_for in the registry says for what. No server need run, and none should: whatever else " +
        "computes meanwhile is measured, too."
    )),
    Command.withExamples([
      { command: "sluice models apply registry.yaml", description: "Serve another registry, without a restart" },
      { command: "sluice models rollout sentiment", description: "Where the rollout of one stands" },
      { command: "sluice models tune embeddings", description: "Its default version" },
      { command: "sluice models tune sentiment@v2 -o json", description: "Another version, for another program" }
    ])
  )

export const models = Command.make("models", {
  ...serverFlags,
  offline: Flag.Boolean("offline").pipe(
    Flag.withDescription("Read the registry file, even if a server runs"),
    Flag.withDefault(false)
  ),
  output: outputFlag
}, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("../models/RunModels.ts")),
    ({ runModels }) => runModels(options)
  )).pipe(
    Command.withShortDescription("List the models, with the plugin of each and why"),
    Command.withDescription(helpText(
      "List the model versions of the running server with their state; where none runs, those of the " +
        "registry file with their files, as a server started now would serve them.",
      "A registry entry that names no plugin is served by the first plugin of config/sluice.yaml that " +
        "recognises its files; the last column says by what. An entry that no plugin can serve is named, " +
        "with exit code 1: use --offline to check a registry before a restart."
    )),
    Command.withExamples([
      { command: "sluice models", description: "What is served here" },
      { command: "sluice models --offline", description: "What a server would serve, without starting one" },
      { command: "sluice models --url https://models.example.com --token …", description: "What is served elsewhere" },
      { command: "sluice models tune embeddings", description: "Measure one, and choose its plan by that" },
      { command: "sluice models -o json | jq -r '.models[].model_id'", description: "The names, for another program" }
    ]),
    Command.withSubcommands([pull, add, inspect, apply, rollout, load, unload, tune])
  )
