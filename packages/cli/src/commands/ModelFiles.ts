/**
 * `sluice models pull | add | inspect`: how models get to this machine and into the registry.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { helpText } from "../HelpText.ts"
import { outputFlag } from "../OutputFlag.ts"

/** How a source is pulled, alike for all that pull. */
const pullFlags = {
  revision: Flag.String("revision").pipe(
    Flag.withDescription("Of a hub's repository: a branch, a tag or a commit; main when left out"),
    Flag.withMetavar("REVISION"),
    Flag.optional
  ),
  file: Flag.String("file").pipe(
    Flag.withDescription("A file of the source to take, again for more; its one model when left out"),
    Flag.withMetavar("FILE"),
    Flag.atLeast(0)
  ),
  offline: Flag.Boolean("offline").pipe(
    Flag.withDescription("Ask no server: take what the lock file names from the store, and check it; HF_HUB_OFFLINE"),
    Flag.withDefault(false)
  ),
  maxSize: Flag.String("max-size").pipe(
    Flag.withDescription("The most that one file may have, in bytes or as 512 MiB; 4 GiB when left out"),
    Flag.withMetavar("SIZE"),
    Flag.withDefault("4 GiB")
  ),
  allowHttp: Flag.Boolean("allow-http").pipe(
    Flag.withDescription("Take http: from this machine itself; https: only when left out"),
    Flag.withDefault(false)
  ),
  lock: Flag.String("lock").pipe(
    Flag.withDescription("The lock file; config/models.lock.json when left out"),
    Flag.withMetavar("FILE"),
    Flag.withDefault("config/models.lock.json")
  )
}

const sourceForms = "hf:org/name, an https: address, file: or a path"

export const pull = Command.make("pull", {
  source: Argument.String("source").pipe(
    Argument.withDescription(`Where the model comes from: ${sourceForms}; what the lock file names when left out`),
    Argument.optional
  ),
  ...pullFlags,
  output: outputFlag
}, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("../models/RunPull.ts")),
    ({ runPull }) => runPull(options)
  )).pipe(
    Command.withShortDescription("Get a model's files, from a hub, an address or a folder"),
    Command.withDescription(helpText(
      "Get a model's files into the store of this machine, and write down in the lock file which they are: " +
        "their revision, and of each its SHA-256. Without a source, get exactly what the lock file names.",
      "Of a hub's repository come its one .onnx file (onnx/model.onnx before others), the tokenizer and the " +
        "configuration. What broke off goes on where it was; what is not what the hub says it is, is removed " +
        "and refused. HF_TOKEN is the key for private repositories, HF_ENDPOINT another hub.",
      "The store is SLUICE_MODEL_STORE, sluice/models in the user's cache folder when unset."
    )),
    Command.withExamples([
      { command: "sluice models pull hf:sentence-transformers/all-MiniLM-L6-v2", description: "A repository's model" },
      {
        command: "sluice models pull hf:Xenova/all-MiniLM-L6-v2 --file onnx/model_quantized.onnx",
        description: "One of its models"
      },
      { command: "sluice models pull", description: "What the lock file names: after a clone, on another machine" },
      { command: "sluice models pull --offline", description: "Check that all of it is here, and whole" }
    ])
  )

export const add = Command.make("add", {
  name: Argument.String("name").pipe(
    Argument.withDescription("What the model is called: a name, or name@version; the version is v1 when left out")
  ),
  source: Flag.String("source").pipe(
    Flag.withDescription(`Pull it from there first: ${sourceForms}`),
    Flag.withMetavar("SOURCE"),
    Flag.optional
  ),
  path: Flag.String("path").pipe(
    Flag.withDescription("A model file that is here already, and stays where it is"),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  plugin: Flag.String("plugin").pipe(
    Flag.withDescription("The plugin to serve it; the first that recognises the file when left out"),
    Flag.withMetavar("NAME"),
    Flag.optional
  ),
  registry: Flag.String("registry").pipe(
    Flag.withDescription("The registry file to write to; MODEL_REGISTRY when left out"),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  replace: Flag.Boolean("replace").pipe(
    Flag.withDescription("Replace the version if it is there already"),
    Flag.withDefault(false)
  ),
  ...pullFlags,
  output: outputFlag
}, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("../models/RunAdd.ts")),
    ({ runAdd }) => runAdd(options)
  )).pipe(
    Command.withShortDescription("Write a model into the registry, by what its file says"),
    Command.withDescription(helpText(
      "Look into a model's file, and write an entry for it into the registry: its path, its precision, and " +
        "the plugin that recognises it. Comments and layout of the registry stay. A registry that would not " +
        "load is not written.",
      "The first version of a model is its default; later ones are candidates, which answer when they are " +
        "named."
    )),
    Command.withExamples([
      {
        command: "sluice models add minilm --source hf:sentence-transformers/all-MiniLM-L6-v2",
        description: "From a hub"
      },
      { command: "sluice models add reviews@v2 --path models/reviews/model.onnx", description: "A file of yours" },
      { command: "sluice models add reviews@v2 --path new.onnx --replace", description: "Another file for a version" }
    ])
  )

export const inspect = Command.make("inspect", {
  file: Argument.String("file").pipe(Argument.withDescription("The model's file")),
  output: outputFlag
}, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("../models/RunInspect.ts")),
    ({ runInspect }) => runInspect(options)
  )).pipe(
    Command.withShortDescription("Say what a model's file is, without loading it"),
    Command.withDescription(helpText(
      "Print a model file's inputs and outputs, versions, operators, precision and number of parameters. The " +
        "weights are not read, so it takes milliseconds whatever the size; a damaged file is named as such, " +
        "with exit code 1."
    )),
    Command.withExamples([
      { command: "sluice models inspect config/models/iris/model.onnx", description: "A model that ships" },
      {
        command: "sluice models inspect model.onnx -o json | jq -r .precision",
        description: "One fact, for another program"
      }
    ])
  )
