/**
 * `sluice keys create | list | revoke`: who may call a server, kept in its keys file.
 */
import { roles } from "@sluice/domain/Role"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { helpText } from "../HelpText.ts"
import { outputFlag } from "../OutputFlag.ts"

const file = Flag.String("file").pipe(
  Flag.withDescription("The keys file; API_KEYS_FILE's when left out, config/api_keys.yaml where that is not set"),
  Flag.withMetavar("FILE"),
  Flag.optional
)

const create = Command.make(
  "create",
  {
    id: Flag.String("id").pipe(
      Flag.withDescription("What logs, limits and the audit log call it: letters, digits, _ and -"),
      Flag.withMetavar("ID")
    ),
    role: Flag.Literals("role", roles).pipe(
      Flag.withDescription(
        "predict: call models; read: see what is served; admin: change it, and all else. Again for more"
      ),
      Flag.atLeast(1)
    ),
    model: Flag.String("model").pipe(
      Flag.withDescription("A model it may call and see, again for more; all of them when left out"),
      Flag.withMetavar("MODEL"),
      Flag.atLeast(0)
    ),
    expires: Flag.String("expires").pipe(
      Flag.withDescription("When it ends: after a time such as 90d or 12h, or at 2027-01-31; never when left out"),
      Flag.withMetavar("TIME"),
      Flag.optional
    ),
    description: Flag.String("description").pipe(
      Flag.withDescription("What it is for, for people"),
      Flag.withMetavar("TEXT"),
      Flag.optional
    ),
    scrypt: Flag.Boolean("scrypt").pipe(
      Flag.withDescription("Keep it by scrypt rather than SHA-256; its first use costs some tenths of a second"),
      Flag.withDefault(false)
    ),
    file,
    output: outputFlag
  },
  (options) =>
    Effect.flatMap(Effect.promise(() => import("../keys/RunKeyCreate.ts")), ({ runKeyCreate }) => runKeyCreate(options))
)
  .pipe(
    Command.withShortDescription("Make a key, and print it once"),
    Command.withDescription(helpText(
      "Make a key of 32 random bytes and write what it may do into the keys file, with what it is checked by: the " +
        "key itself is printed to stdout, and kept nowhere. Comments in the file stay.",
      "Servers that read the file (API_KEYS_FILE) take it up within a second. Limits are written into the file " +
        "by hand."
    )),
    Command.withExamples([
      { command: "sluice keys create --id search --role predict", description: "For a caller of all models" },
      {
        command: "sluice keys create --id trial --role predict --model iris --expires 30d",
        description: "For one model, for a month"
      },
      { command: "sluice keys create --id ops --role admin", description: "For those who change what is served" }
    ])
  )

const list = Command.make(
  "list",
  { file, output: outputFlag },
  (options) =>
    Effect.flatMap(Effect.promise(() => import("../keys/RunKeyList.ts")), ({ runKeyList }) => runKeyList(options))
).pipe(
  Command.withShortDescription("List the keys: what each may do, and whether it holds"),
  Command.withDescription(helpText(
    "List the keys of the keys file with their roles, models, limits and expiry, and whether each is active, expired " +
      "or revoked. Secrets are not in the file, so none are shown."
  )),
  Command.withExamples([
    { command: "sluice keys list", description: "Every key" },
    {
      command: "sluice keys list -o json | jq '.keys[] | select(.state == \"active\") | .id'",
      description: "Those in use"
    }
  ])
)

const revoke = Command.make(
  "revoke",
  {
    id: Argument.String("id").pipe(Argument.withDescription("The key's id")),
    file,
    output: outputFlag
  },
  (options) =>
    Effect.flatMap(Effect.promise(() => import("../keys/RunKeyRevoke.ts")), ({ runKeyRevoke }) => runKeyRevoke(options))
)
  .pipe(
    Command.withShortDescription("Take a key back, at once"),
    Command.withDescription(helpText(
      "Mark a key as revoked, with the time. Running servers refuse it within a second; requests that have begun are " +
        "finished. The entry stays, so that the audit log's names keep their meaning."
    )),
    Command.withExamples([{ command: "sluice keys revoke trial", description: "By its id, as keys list shows it" }])
  )

export const keys = Command.make("keys").pipe(
  Command.withDescription(helpText(
    "Make, list and revoke the keys of callers. They are in a YAML file that servers read where API_KEYS_FILE names it, " +
      "and watch."
  )),
  Command.withShortDescription("Make, list and revoke the keys of callers"),
  Command.withSubcommands([create, list, revoke])
)
