/**
 * The commands as they are declared: help for each, and what a wrong call is told.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { endingOf } from "../src/CommandFailed.ts"
import { sluice } from "../src/SluiceCommand.ts"

/** What the command line presents, and how it ends. */
const called = (...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const events: Array<CliOutput.Presenter.Event> = []
    const presenter = CliOutput.layerPresenter({ present: (event) => Effect.sync(() => void events.push(event)) })
    const exit = yield* Effect.exit(
      Command.runWith(sluice, { version: "1.2.3" })(args).pipe(Effect.provide([NodeServices.layer, presenter]))
    )
    return { events, ending: Exit.isSuccess(exit) ? { exitCode: 0, sentence: undefined } : endingOf(exit.cause) }
  })

describe("--help", () => {
  const commands = [
    "",
    "serve",
    "predict",
    "models",
    "models tune",
    "models apply",
    "models rollout",
    "models load",
    "models unload",
    "models pull",
    "models add",
    "models inspect",
    "keys",
    "keys create",
    "keys list",
    "keys revoke",
    "config",
    "plugin",
    "plugin new"
  ]

  it.effect.each(commands.map((command) => ({ command })))(
    "of sluice $command teaches",
    ({ command }) =>
      Effect.gen(function*() {
        const words = command.split(" ").filter((word) => word !== "")
        const { ending, events: [event] } = yield* called(...words, "--help")
        assert.strictEqual(ending.exitCode, 0)
        if (event?._tag !== "Help") return assert.fail(`presented ${event?._tag}`)
        assert.deepStrictEqual(event.commandPath, ["sluice", ...words])
        const { args = [], description, examples = [], flags, subcommands = [] } = event.helpDoc
        assert.isAbove(description.length, 40)
        assert.isTrue([...args, ...flags].every((each) => each.description._tag === "Some"))
        assert.isAbove(examples.length + subcommands.length, 0)
      })
  )

  it.effect("is what sluice alone shows", () =>
    Effect.gen(function*() {
      const { ending, events: [event] } = yield* called()
      assert.deepStrictEqual([event?._tag, ending.exitCode], ["Help", 0])
    }))
})

describe("a wrong call", () => {
  const byFlags: ReadonlyArray<readonly [args: string, mistake: RegExp]> = [
    ["predct sentiment", /Unknown subcommand "predct"/],
    ["predict", /Missing required argument: model/],
    ["predict iris x --output xml", /--output/],
    ["predict iris x --colour", /Unrecognized flag: --colour/],
    ["serve --port eighty", /--port/],
    ["serve --port 99999", /a port from 0 to 65535, got 99999/],
    ["config extra", /extra/],
    ["models tune", /Missing required argument: model/],
    ["models rollout iris stop", /pause/],
    ["models load", /Missing required argument: model/],
    ["plugin nwe x", /Unknown subcommand "nwe"/],
    ["plugin new", /Missing required argument: name/]
  ]

  it.effect.each(byFlags.map(([args, mistake]) => ({ args, mistake })))(
    "sluice $args",
    ({ args, mistake }) =>
      Effect.gen(function*() {
        const { ending, events: [event] } = yield* called(...args.split(" "))
        assert.deepStrictEqual(ending, { exitCode: 2, sentence: undefined })
        if (event?._tag !== "InvalidInvocation") return assert.fail(`presented ${event?._tag}`)
        assert.match(event.errors.map((error) => error.message).join("\n"), mistake)
      })
  )

  const byMeaning: ReadonlyArray<readonly [args: string, sentence: string]> = [
    ["predict iris", "nothing to predict: give texts, --json FILE, or - to read standard input"],
    ["predict iris x --json f", "give either texts or --json, not both"],
    ["predict iris x -", "- reads standard input: it stands alone"],
    ["models rollout iris set", "set takes a percentage from 0 to 100"],
    ["models rollout iris set 101", "set takes a percentage from 0 to 100"],
    ["models rollout iris pause 5", "pause takes no percentage: set takes one"],
    ["models load iris --url a", "--url: \"a\" is not the URL of a server: expected one such as http://localhost:8000"],
    ["models pull s3://b/m", "sources are hf:org/name, https: addresses, file: and paths, not \"s3:\""],
    [
      "models pull hf:a/b --file ../m.onnx",
      "\"../m.onnx\" is not a file's name: it has the part \"..\", which leads elsewhere"
    ],
    ["models pull hf:a/b --max-size much", "--max-size: \"much\" is not a size such as 512 MiB or 4 GiB"],
    ["models pull --lock none.json", "none.json names no models: give a source to pull, such as hf:org/name"],
    ["models add wine", "give either --source, to pull it, or --path, to a file that is here"],
    ["predict iris x --url a", "--url: \"a\" is not the URL of a server: expected one such as http://localhost:8000"]
  ]

  it.effect.each(byMeaning.map(([args, sentence]) => ({ args, sentence })))(
    "sluice $args",
    ({ args, sentence }) =>
      Effect.gen(function*() {
        const { ending } = yield* called(...args.split(" "))
        assert.deepStrictEqual(ending, { exitCode: 2, sentence })
      })
  )
})

it.effect("a call that does not work ends with 1 and a sentence", () =>
  Effect.gen(function*() {
    const { ending } = yield* called("predict", "iris", "--json", "nowhere.json")
    assert.deepStrictEqual(ending, { exitCode: 1, sentence: "nowhere.json does not exist" })
  }))
