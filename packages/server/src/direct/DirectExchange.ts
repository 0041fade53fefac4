/**
 * One request on a direct route, from its headers to its answer: on Node's own request and response, without a fiber.
 */
import type { InferResult } from "@sluice/core/InferRequest"
import { type Member, nowhere, type Roster } from "@sluice/core/Roster"
import { InternalError, type SluiceError } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { GuardedInference } from "../access/GuardedInference.ts"
import type { Principal } from "../access/Principal.ts"
import type { CallHeaders } from "../calls/CallContext.ts"
import { type PrepareCall, sliceMs, type TextWriter } from "../calls/SurfaceCall.ts"
import { type AnswerHead, inferHead, totalTiming } from "../http/PlainAnswer.ts"
import { requestIdOf } from "../http/RequestContext.ts"
import { errorAnswer } from "../http/Surface.ts"
import { deliver } from "./DirectWriter.ts"

/** An exchange under way. */
export interface LiveExchange extends Member {
  /** Ends it without an answer. */
  readonly end: () => void
}

export interface DirectServices {
  readonly start: GuardedInference["Service"]["start"]
  /** Connections are closed after their next answer. */
  readonly closing: () => boolean
  /** Monotonic, in milliseconds. */
  readonly now: () => number
  readonly log: (entry: Effect.Effect<void>) => void
  /** Ends each exchange that is under way; the server's end calls what is left. */
  readonly live: Roster<LiveExchange>
}

/** As Effect's HTTP decodes bodies: a byte order mark is no part of the text. */
const textOf = (bytes: Buffer): string => {
  const text = bytes.toString()
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

export const startExchange = (
  { closing, live, log, now, start }: DirectServices,
  request: IncomingMessage,
  response: ServerResponse,
  headers: CallHeaders,
  caller: Principal,
  prepare: PrepareCall
): void => {
  const startedMs = now()
  const path = request.url ?? "/"
  const requestId = requestIdOf(headers)
  let body: Buffer | undefined
  let more: Array<Buffer> | undefined
  /** Nobody reads an answer any more. */
  let over = false
  let abandon: (() => void) | undefined

  const send = (head: AnswerHead, content: string | ReadonlyArray<Buffer>): void => {
    const edgeHeaders = ["x-request-id", requestId]
    if (head.headers["server-timing"] === undefined) {
      edgeHeaders.push("server-timing", totalTiming(now() - startedMs))
    }
    if (closing()) edgeHeaders.push("connection", "close")
    deliver(head, content, { response, acceptEncoding: headers["accept-encoding"], edgeHeaders, onFault })
  }

  const refuse = (error: SluiceError): void => {
    const answer = errorAnswer(error, path, requestId)
    send(answer, answer.body)
  }

  /** What the guard says beside the answer. */
  let guardHeaders: Readonly<Record<string, string>> = {}

  /** The log has the cause under the request id, the caller has the id. */
  const onFault = (error: unknown): void => {
    log(
      Effect.logError("a request failed by a fault of the server", error).pipe(
        Effect.annotateLogs({ request_id: requestId, path })
      )
    )
    if (response.headersSent) response.destroy()
    else refuse(new InternalError())
  }

  /** Lets the event loop go on between the pieces of a long text. */
  const write = (writer: TextWriter, result: InferResult, pieces: Array<Buffer>): void => {
    if (over) return
    try {
      const since = now()
      let step = writer.next()
      while (step.done !== true) {
        pieces.push(Buffer.from(step.value))
        if (now() - since > sliceMs) {
          setImmediate(write, writer, result, pieces)
          return
        }
        step = writer.next()
      }
      if (Result.isFailure(step.value)) refuse(step.value.failure)
      else if (pieces.length === 0) send(inferHead(result, guardHeaders), step.value.success)
      else send(inferHead(result, guardHeaders), [...pieces, Buffer.from(step.value.success)])
    } catch (error) {
      onFault(error)
    }
  }

  const onBody = (): void => {
    try {
      const text = textOf(more === undefined ? body ?? Buffer.alloc(0) : Buffer.concat(more))
      body = more = undefined
      const call = prepare(text, headers, requestId)
      if (Result.isFailure(call)) return refuse(call.failure)
      let answered = false
      const stop = start(caller, call.success.request, ({ answered: result, headers }) => {
        answered = true
        abandon = undefined
        guardHeaders = headers
        if (over) return
        // Whoever calls this is the pipeline, and has no part in what goes wrong in here.
        try {
          if (Result.isSuccess(result)) write(call.success.write(result.success), result.success, [])
          else refuse(result.failure)
        } catch (error) {
          onFault(error)
        }
      })
      if (over) stop()
      else if (!answered) abandon = stop
    } catch (error) {
      onFault(error)
    }
  }

  const exchange: LiveExchange = {
    place: nowhere,
    end: () => {
      over = true
      abandon?.()
      if (!response.headersSent) response.writeHead(503, { connection: "close" })
      response.end()
    }
  }

  live.add(exchange)
  request.on("data", (chunk: Buffer) => {
    if (body === undefined) body = chunk
    else if (more === undefined) more = [body, chunk]
    else more.push(chunk)
  })
  request.on("end", onBody)
  response.on("close", () => {
    live.delete(exchange)
    if (response.writableEnded) return
    over = true
    abandon?.()
    log(
      Effect.logDebug("the client left before the answer").pipe(
        Effect.annotateLogs({ request_id: requestId, path, status: 499 })
      )
    )
  })
}
