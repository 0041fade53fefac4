/**
 * Writes a plain answer to Node's response: short ones in one go, long ones compressed or with backpressure.
 */
import type { ServerResponse } from "node:http"
import type { AnswerHead } from "../http/PlainAnswer.ts"
import { chooseCoding, compress, minCompressedBytes } from "./ContentCoding.ts"

export interface Delivery {
  readonly response: ServerResponse
  readonly acceptEncoding: string | undefined
  /** What the edge adds to every answer, as names and values in turn. */
  readonly edgeHeaders: ReadonlyArray<string>
  /** Compression failed. */
  readonly onFault: (error: unknown) => void
}

const headersOf = ({ contentType, headers }: AnswerHead, length: number, edgeHeaders: ReadonlyArray<string>) => {
  const list = ["content-type", contentType, "content-length", String(length), "vary", "Accept-Encoding"]
  for (const name in headers) list.push(name, headers[name]!)
  for (const text of edgeHeaders) list.push(text)
  return list
}

/** Never more in the socket's buffer than it asked for. */
const writeAll = (response: ServerResponse, pieces: ReadonlyArray<Uint8Array>): void => {
  let next = 0
  const more = () => {
    while (next < pieces.length) {
      if (response.destroyed) return
      if (!response.write(pieces[next++])) return
    }
    response.off("drain", more)
    response.end()
  }
  response.on("drain", more)
  more()
}

const deliverLong = (head: AnswerHead, pieces: ReadonlyArray<Buffer>, delivery: Delivery): void => {
  const { acceptEncoding, edgeHeaders, onFault, response } = delivery
  let length = 0
  for (const piece of pieces) length += piece.length
  const coding = length < minCompressedBytes ? undefined : chooseCoding(acceptEncoding)
  if (coding === undefined) {
    response.writeHead(head.status, headersOf(head, length, edgeHeaders))
    return writeAll(response, pieces)
  }
  compress(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces), coding, (error, compressed) => {
    if (response.destroyed) return
    if (error !== null) return onFault(error)
    const headers = headersOf(head, compressed.length, edgeHeaders)
    headers.push("content-encoding", coding)
    response.writeHead(head.status, headers)
    response.end(compressed)
  })
}

/** Up to this a text is written with the head in one go. */
const shortBytes = 65_536

/** A text, or the pieces of one. */
export const deliver = (head: AnswerHead, body: string | ReadonlyArray<Buffer>, delivery: Delivery): void => {
  const { acceptEncoding, edgeHeaders, response } = delivery
  if (response.destroyed) return
  if (typeof body !== "string") return deliverLong(head, body, delivery)
  const length = Buffer.byteLength(body)
  if (length > shortBytes || (length >= minCompressedBytes && acceptEncoding !== undefined)) {
    return deliverLong(head, [Buffer.from(body)], delivery)
  }
  response.writeHead(head.status, headersOf(head, length, edgeHeaders))
  // Text of one byte a character is copied as it is.
  response.end(body, length === body.length ? "latin1" : "utf8")
}
