/**
 * Reads what to predict, asks the server, and prints what it says.
 */
import { InvalidInput } from "@sluice/domain/Errors"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Result from "effect/Result"
import { readFile } from "node:fs/promises"
import { text as readText } from "node:stream/consumers"
import { askServer } from "../AskServer.ts"
import { type CommandFailed, failed, misused } from "../CommandFailed.ts"
import { type Output, printJson } from "../OutputFlag.ts"
import { chooseServer, type ServerChoice } from "../ServerFlags.ts"
import { type Call, callsOf, ofJsonText, ofStandardInput, type PredictBody } from "./PredictInput.ts"
import { mergeResponses, renderPredictions } from "./PredictTable.ts"

export interface PredictOptions extends ServerChoice {
  /** `sentiment`, or `sentiment@v2`. */
  readonly model: string
  readonly texts: ReadonlyArray<string>
  readonly json: Option.Option<string>
  readonly output: Output
}

const standardInput = Effect.tryPromise({
  try: () => readText(process.stdin),
  catch: (cause) => failed("standard input cannot be read", cause)
})

const isMissing = (cause: unknown): boolean => cause instanceof Error && "code" in cause && cause.code === "ENOENT"

const fileText = (file: string) =>
  Effect.tryPromise({
    try: () => readFile(file, "utf8"),
    catch: (cause) =>
      failed(`${file} ${isMissing(cause) ? "does not exist" : `cannot be read: ${String(cause)}`}`, cause)
  })

const orFail = (source: string, parsed: Result.Result<PredictBody, string>) =>
  Effect.mapError(Effect.fromResult(parsed), (reason) => failed(`${source}: ${reason}`))

const readBody = Effect.fnUntraced(function*({ json, texts }: PredictOptions) {
  if (Option.isSome(json)) {
    if (texts.length > 0) return yield* misused("give either texts or --json, not both")
    const fromStdin = json.value === "-"
    const source = fromStdin ? "standard input" : json.value
    return yield* orFail(source, ofJsonText(yield* (fromStdin ? standardInput : fileText(json.value))))
  }
  if (texts.length === 0) {
    return yield* misused("nothing to predict: give texts, --json FILE, or - to read standard input")
  }
  if (!texts.includes("-")) return { texts }
  if (texts.length > 1) return yield* misused("- reads standard input: it stands alone")
  return yield* orFail("standard input", ofStandardInput(yield* standardInput))
})

const atVersion = (model: string) => {
  const [name = "", ...version] = model.split("@")
  return { model: name, ...(version.length === 0 ? {} : { model_version: version.join("@") }) }
}

/** An item's place in its call is its place in the input. */
const inPlace = (error: InvalidInput, { offset }: Call) =>
  error.item === undefined ? error : new InvalidInput({ detail: error.detail, item: error.item + offset })

export const runPredict = Effect.fnUntraced(function*(options: PredictOptions): Effect.fn.Return<void, CommandFailed> {
  const body: PredictBody = { return_probabilities: true, ...(yield* readBody(options)) }
  const version = atVersion(options.model)
  const [first, ...rest] = yield* askServer(
    chooseServer(options),
    (client) =>
      Effect.forEach(callsOf(body), (call) =>
        client.predict({ ...call.body, ...version }).pipe(
          Effect.catchTag("InvalidInput", (error) => Effect.fail(inPlace(error, call)))
        ))
  )
  if (first === undefined) return yield* failed("there was nothing to predict")
  const response = mergeResponses(first, rest)
  yield* Console.log(options.output === "json" ? printJson(response) : renderPredictions(body, response))
})
