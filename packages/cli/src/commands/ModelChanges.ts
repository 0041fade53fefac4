/**
 * `sluice models apply | rollout | load | unload`: changes to what a running server serves.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { helpText } from "../HelpText.ts"
import { rolloutVerbs } from "../models/RolloutVerbs.ts"
import { outputFlag } from "../OutputFlag.ts"
import { serverFlags } from "../ServerFlags.ts"

const asked = { ...serverFlags, output: outputFlag }

export const apply = Command.make(
  "apply",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("The registry to serve; - for standard input. MODEL_REGISTRY's file when left out"),
      Argument.optional
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Say what would change, and change nothing"),
      Flag.withDefault(false)
    ),
    ifMatch: Flag.String("if-match").pipe(
      Flag.withDescription("Change it only if the served registry has this ETag"),
      Flag.withMetavar("ETAG"),
      Flag.optional
    ),
    ...asked
  },
  (options) =>
    Effect.flatMap(Effect.promise(() => import("../models/RunApply.ts")), ({ runApply }) => runApply(options))
).pipe(
  Command.withShortDescription("Serve another registry, without a restart"),
  Command.withDescription(helpText(
    "Send a registry to the running server. It is checked whole, with the models' files on the server: " +
      "either all of it is served, or nothing changes and each mistake is named with its line.",
    "What is new loads in the background, traffic moves when it is ready, and what is gone is drained. The server " +
      "writes it to its own registry file, so that it starts with it."
  )),
  Command.withExamples([
    { command: "sluice models apply registry.yaml --dry-run", description: "What would change" },
    { command: "sluice models apply registry.yaml", description: "Change it" },
    {
      command: "curl -s localhost:8000/api/v1/registry | sed s/v1/v2/ | sluice models apply -",
      description: "From another program"
    }
  ])
)

export const rollout = Command.make(
  "rollout",
  {
    model: Argument.String("model").pipe(Argument.withDescription("A model by name")),
    action: Argument.Literals("action", rolloutVerbs).pipe(
      Argument.withDescription("What to do with its rollout; shown when left out"),
      Argument.optional
    ),
    percentage: Argument.Finite("percentage").pipe(
      Argument.withDescription("For set: the share of requests that the target answers, 0 to 100"),
      Argument.optional
    ),
    ...asked
  },
  (options) =>
    Effect.flatMap(Effect.promise(() => import("../models/RunRollout.ts")), ({ runRollout }) => runRollout(options))
).pipe(
  Command.withShortDescription("Show or steer a model's rollout"),
  Command.withDescription(helpText(
    "Show where the rollout of a model stands: its sides, how they compare, and what was decided last; or pause, " +
      "resume, promote or roll it back, or set its percentage. What is done by hand is in the audit log."
  )),
  Command.withExamples([
    { command: "sluice models rollout sentiment", description: "Where it stands" },
    { command: "sluice models rollout sentiment set 25", description: "A quarter of the requests to the target" },
    { command: "sluice models rollout sentiment rollback", description: "None to the target, at once" }
  ])
)

const target = Argument.String("model").pipe(
  Argument.withDescription("A model by name, or one version of it by name@version")
)

const loading = (verb: "load" | "unload") =>
  Command.make(verb, { model: target, ...asked }, (options) =>
    Effect.flatMap(
      Effect.promise(() => import("../models/RunLoading.ts")),
      ({ runLoading }) => runLoading(verb, options)
    ))

export const load = loading("load").pipe(
  Command.withShortDescription("Load a model version, and wait until it is ready"),
  Command.withDescription(helpText(
    "Load a version that is not in memory, the default one where none is named, and wait until it is ready. Does " +
      "nothing where it is."
  )),
  Command.withExamples([{ command: "sluice models load sentiment@v2", description: "Before its first request" }])
)

export const unload = loading("unload").pipe(
  Command.withShortDescription("Put a model version away"),
  Command.withDescription(helpText(
    "Drain a version, all of the model where none is named, and free its memory. Does nothing where none is loaded."
  )),
  Command.withExamples([{ command: "sluice models unload sentiment@v2", description: "To free its memory" }])
)
