/**
 * Runs `sluice` with its arguments as this process: what goes to stderr, and the exit code.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import manifest from "../package.json" with { type: "json" }
import { endingOf } from "./CommandFailed.ts"
import { sluice } from "./SluiceCommand.ts"

/** A wrong call gets its mistake and the way to help, not pages of it; stdout stays clean for pipes. */
const presenter = CliOutput.layerPresenter({
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const command = event.commandPath.join(" ")
    const mistakes = event.errors.map((error) => `${command}: ${error.message}`)
    return Console.error([...mistakes, `${command} --help shows how it is used`].join("\n"))
  }
})

const services = Layer.mergeAll(
  NodeServices.layer,
  presenter,
  // Logs are for people beside the answer: they go to stderr.
  Logger.layer([Logger.withConsoleError(Logger.formatSimple)])
)

/** A reader that closes the pipe early, as `head` does, has had enough: that is no failure. */
const endWithReader = (): void => {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0)
    throw error
  })
}

export const runSluice = (args: ReadonlyArray<string>): void => {
  endWithReader()
  const program = Command.runWith(sluice, { version: manifest.version })(args).pipe(
    Effect.tapCause((cause) => Effect.logDebug(cause)),
    Effect.provide(services)
  )
  Effect.runFork(program).addObserver((exit) => {
    if (Exit.isSuccess(exit)) process.exit(0)
    const { exitCode, sentence } = endingOf(exit.cause)
    if (sentence !== undefined) process.stderr.write(`sluice: ${sentence}\n`)
    process.exit(exitCode)
  })
}
