/**
 * Shows a pull on stderr: a bar where it is a terminal, a line a file where it is not.
 */
import type { PullEvents } from "@sluice/core/store/ObtainFile"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { progressLine, sizeText } from "./ProgressBar.ts"

/** Redrawn no more often, in milliseconds: more would only cost. */
const redrawMs = 100

/** Where a terminal does not say how wide it is. */
const unknownColumns = 80

const clear = "\r\u001b[K"

export const pullProgress = (terminal: NodeJS.WriteStream): PullEvents => {
  let drawnAt = -Infinity
  const draw: PullEvents["onProgress"] = (file, received, total) => {
    const now = performance.now()
    if (now - drawnAt < redrawMs) return
    drawnAt = now
    terminal.write(`${clear}${progressLine(file, received, total, terminal.columns || unknownColumns)}`)
  }
  const say = (line: string) =>
    Effect.suspend(() => {
      drawnAt = -Infinity
      if (terminal.isTTY) terminal.write(clear)
      return Console.error(line)
    })
  return {
    onProgress: terminal.isTTY ? draw : () => {},
    onFile: ({ path, size }, how) =>
      say(`${path}: ${sizeText(size)}${how === "present" ? ", which is here already" : ""}`),
    onWait: (file, { host, pid }) =>
      say(`note: process ${pid} on ${host} is at ${file} already: waiting for it; Ctrl-C ends the wait`)
  }
}
