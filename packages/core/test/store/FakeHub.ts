/**
 * A hub of one repository with the routes of Hugging Face's, and the host of large files that it redirects to: two real
 * servers, whose every request is written down, and which misbehave as they are told.
 */
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { once } from "node:events"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"

export const repository = "org/model"
export const commit = "0123456789abcdef0123456789abcdef01234567"

export interface Asked {
  /** Which of the two servers. */
  readonly host: "hub" | "files"
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly range: string | undefined
  readonly ifRange: string | undefined
}

/** Answers a request for a file in place of the server; `false` lets it answer itself. */
export type Fault = (exchange: {
  readonly asked: Asked
  readonly response: Http.ServerResponse
  readonly content: Buffer
}) => boolean

export interface HubOptions {
  /** `org/model` when left out. */
  readonly repository?: string
  readonly files: Readonly<Record<string, Buffer>>
  /** Those that are kept elsewhere, and redirected to. */
  readonly large?: ReadonlyArray<string>
  /** The key that it asks for. */
  readonly token?: string
  /** Names in the list of files, beside those that are there. */
  readonly alsoListed?: ReadonlyArray<string>
  readonly fault?: Fault
}

export interface FakeHub {
  readonly url: string
  readonly asked: ReadonlyArray<Asked>
  /** The requests for the content of files. */
  readonly fetched: () => ReadonlyArray<Asked>
}

export const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex")
export const gitBlob = (content: Buffer): string =>
  createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex")

/** The content, or the part that is asked for where it is still the same. */
export const sendContent = (asked: Asked, response: Http.ServerResponse, content: Buffer, etag: string): void => {
  const [, start] = /^bytes=(\d+)-$/.exec(asked.range ?? "") ?? []
  const from = start === undefined || (asked.ifRange !== undefined && asked.ifRange !== etag) ? 0 : Number(start)
  if (from >= content.length && content.length > 0) {
    response.writeHead(416).end()
    return
  }
  const part = content.subarray(from)
  response.writeHead(from > 0 ? 206 : 200, {
    etag,
    "content-length": part.length,
    ...(from > 0 ? { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` } : {})
  })
  response.end(asked.method === "HEAD" ? undefined : part)
}

const listen = (handler: Http.RequestListener) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = Http.createServer(handler).listen(0, "127.0.0.1")
      await once(server, "listening")
      return server
    }),
    (server) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )

const urlOf = (server: Http.Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

export const fakeHub = Effect.fnUntraced(function*(options: HubOptions) {
  const asked: Array<Asked> = []
  const name = options.repository ?? repository
  const isLarge = (file: string): boolean => options.large?.includes(file) === true

  const note = (host: Asked["host"], { headers, method = "", url = "" }: Http.IncomingMessage): Asked => {
    const entry: Asked = {
      host,
      method,
      path: decodeURIComponent(url),
      authorization: headers.authorization,
      range: headers.range,
      ifRange: headers["if-range"]?.toString()
    }
    asked.push(entry)
    return entry
  }

  const files = yield* listen((request, response) => {
    const entry = note("files", request)
    const content = options.files[entry.path.slice(1)]
    if (content === undefined) return void response.writeHead(404).end()
    if (options.fault?.({ asked: entry, response, content }) !== true) {
      sendContent(entry, response, content, `"${sha256(content).slice(0, 32)}"`)
    }
  })

  const list = (response: Http.ServerResponse): void => {
    const siblings = Object.entries(options.files).map(([rfilename, content]) => ({
      rfilename,
      size: content.length,
      blobId: gitBlob(content),
      ...(isLarge(rfilename) ? { lfs: { sha256: sha256(content), size: content.length } } : {})
    }))
    const others = (options.alsoListed ?? []).map((rfilename) => ({ rfilename }))
    response.writeHead(200).end(JSON.stringify({ sha: commit, siblings: [...siblings, ...others] }))
  }

  const hub = yield* listen((request, response) => {
    const entry = note("hub", request)
    if (options.token !== undefined && entry.authorization !== `Bearer ${options.token}`) {
      return void response.writeHead(401).end("Invalid username or password.")
    }
    if (entry.path.startsWith("/api/")) {
      const known = ["main", commit].some((each) => entry.path === `/api/models/${name}/revision/${each}?blobs=true`)
      return known ? list(response) : void response.writeHead(404).end()
    }
    const file = entry.path.replace(`/${name}/resolve/${commit}/`, "").replace(/\?.*$/, "")
    const content = options.files[file]
    if (content === undefined) return void response.writeHead(404).end()
    response.setHeader("x-repo-commit", commit)
    if (isLarge(file)) {
      const headers = {
        location: `${urlOf(files)}/${file}`,
        "x-linked-etag": `"${sha256(content)}"`,
        "x-linked-size": content.length
      }
      return void response.writeHead(302, headers).end()
    }
    if (entry.method === "GET" && options.fault?.({ asked: entry, response, content }) === true) return
    sendContent(entry, response, content, `"${gitBlob(content)}"`)
  })

  return {
    url: urlOf(hub),
    asked,
    fetched: () =>
      asked.filter(({ method, path }) => method === "GET" && !path.startsWith("/api/")).filter(
        ({ host, path }) => host === "files" || !isLarge(path.replace(`/${name}/resolve/${commit}/`, ""))
      )
  } satisfies FakeHub
})
