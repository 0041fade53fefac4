/**
 * The server's metrics page as numbers.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { call } from "./Http.ts"

/** Samples by name and labels as the page writes them, `sluice_queue_length{model="iris",version="v1"}`. */
export type Samples = ReadonlyMap<string, number>

export const samplesOf = (page: string): Samples =>
  new Map(
    page.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
      const space = line.lastIndexOf(" ")
      return [line.slice(0, space), Number(line.slice(space + 1))]
    })
  )

export const metrics = Effect.map(call({ path: "/metrics" }), ({ text }) => samplesOf(text))

/** One sample of a model's only version. */
export const sample = (name: string, model: string) =>
  Effect.map(metrics, (samples) => samples.get(`${name}{model="${model}",version="v1"}`))

/** Waits until a model's sample has this value. */
export const sampleIs = (name: string, model: string, value: number) =>
  sample(name, model).pipe(
    Effect.repeat({ until: (found) => found === value, schedule: Schedule.spaced("10 millis") }),
    Effect.asVoid
  )
