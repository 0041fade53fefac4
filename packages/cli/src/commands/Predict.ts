/**
 * `sluice predict`: asks the running server.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { helpText } from "../HelpText.ts"
import { outputFlag } from "../OutputFlag.ts"
import { serverFlags } from "../ServerFlags.ts"

export const predict = Command.make("predict", {
  model: Argument.String("model").pipe(
    Argument.withDescription("A model by name, or one version of it by name@version, as `sluice models` lists them")
  ),
  texts: Argument.String("text").pipe(
    Argument.withDescription("Texts to predict; - alone reads standard input: a text a line, or JSON"),
    Argument.variadic()
  ),
  json: Flag.String("json").pipe(
    Flag.withDescription(
      "A file of JSON: a list of texts, rows or records, one record, or a whole request; - for stdin"
    ),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  ...serverFlags,
  output: outputFlag
}, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("../predict/RunPredict.ts")),
    ({ runPredict }) => runPredict(options)
  )).pipe(
    Command.withShortDescription("Ask the running server"),
    Command.withDescription(helpText(
      "Ask a model of the running server and print what it predicts, a row an item in the order of the " +
        "input.",
      "Texts stand on the command line or come a line each from standard input. Rows of features and " +
        "records come as JSON: [[5.1, 3.5, 1.4, 0.2]] or {\"mean radius\": 17.99, …}, one a line or in a " +
        "list. Long inputs go out in several calls."
    )),
    Command.withExamples([
      { command: "sluice predict sentiment \"I love this product!\" \"Never again.\"", description: "Two texts" },
      { command: "sluice predict sentiment@v2 - < reviews.txt", description: "A text a line, by one version" },
      { command: "echo '[[5.1, 3.5, 1.4, 0.2]]' | sluice predict iris -", description: "A row of features" },
      {
        command: "sluice predict breast-cancer --json cells.json --output json | jq '.results[].prediction'",
        description: "Records from a file, for another program"
      },
      {
        command: "AUTH_TOKEN=… sluice predict sentiment \"Fine\" --url https://models.example.com",
        description: "A server elsewhere that asks for a key"
      }
    ])
  )
