/**
 * One question to a server, with the redirects that lead to its answer: by Node's own client, so that each hop is seen
 * before it is followed, and each address before it is connected to.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { lookup, type LookupAddress, type LookupOptions } from "node:dns"
import * as Http from "node:http"
import * as Https from "node:https"
import type { LookupFunction } from "node:net"
import { addressOf, isPrivateAddress, redirectTarget } from "./Addresses.ts"
import { PullFailed } from "./StoreErrors.ts"

export interface Question {
  readonly method: "GET" | "HEAD"
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** Shown to the first server only, never to one that it redirects to. */
  readonly token?: Redacted.Redacted<string> | undefined
  /** Whether to end at the first redirect to another server, whose headers are then the answer's. */
  readonly stay?: boolean
}

export interface Answer {
  readonly status: number
  readonly header: (name: string) => string | undefined
  /** A header of any of the hops, the first that has it: hubs describe a file before they redirect to it. */
  readonly headerOnTheWay: (name: string) => string | undefined
  /** Where it came from at last. */
  readonly url: URL
  readonly body: Http.IncomingMessage
}

const mostRedirects = 8
/** Nothing comes for so long: the connection counts as cut. */
const idleMs = 60_000

class PrivateAddress extends Error {
  override readonly name = "PrivateAddress"
}

/** The network as this machine sees it. */
export interface Network {
  readonly lookup: (
    hostname: string,
    options: LookupOptions,
    callback: (error: NodeJS.ErrnoException | null, addresses: ReadonlyArray<LookupAddress>) => void
  ) => void
  readonly isPrivate: (address: string) => boolean
}

/** Names by the system's resolver, and addresses by what is assigned. */
export const SystemNetwork = Context.Reference<Network>("sluice/core/SystemNetwork", {
  defaultValue: () => ({
    lookup: (hostname, options, callback) => lookup(hostname, { ...options, all: true }, callback),
    isPrivate: isPrivateAddress
  })
})

/** Resolves names to public addresses only; the address that is checked is the one that is connected to. */
export const publicLookup = (network: Network): LookupFunction => (hostname, options, callback) => {
  network.lookup(hostname, options, (error, addresses) => {
    const inside = error ? undefined : addresses.find(({ address }) => network.isPrivate(address))
    const [first] = error ? [] : addresses
    if (error) callback(error, "")
    else if (inside !== undefined) callback(new PrivateAddress(`${hostname} is ${inside.address}`), "")
    else if (first === undefined) callback(new Error(`${hostname} has no address`), "")
    else if (options.all === true) callback(null, [...addresses])
    else callback(null, first.address, first.family)
  })
}

const refusedPlace = (host: string, cause?: unknown): PullFailed =>
  new PullFailed({
    kind: "redirect",
    reason: `a redirect leads to ${host}, which is inside a private network, and is not followed`,
    cause
  })

const unreachable = (url: URL, cause: Error): PullFailed =>
  cause instanceof PrivateAddress
    ? refusedPlace(url.host, cause)
    : new PullFailed({
      kind: "unreachable",
      reason: `${url.host} gives no answer: ${cause.message === "" ? cause.name : cause.message}`,
      transient: true,
      cause
    })

interface Reply {
  readonly response: Http.IncomingMessage
  /** The address of who replied, noted before the connection can be gone. */
  readonly from: string | undefined
}

const open = (
  url: URL,
  method: Question["method"],
  headers: Readonly<Record<string, string>>,
  publicOnly: Network | undefined
): Effect.Effect<Reply, PullFailed, Scope.Scope> => {
  const address = addressOf(url.hostname)
  if (publicOnly !== undefined && address !== undefined && publicOnly.isPrivate(address)) {
    return Effect.fail(refusedPlace(url.host))
  }
  const asked = Effect.callback<Reply, PullFailed>((resume) => {
    const request = (url.protocol === "https:" ? Https : Http).request(url, {
      method,
      headers,
      timeout: idleMs,
      ...(publicOnly === undefined ? {} : { lookup: publicLookup(publicOnly) })
    }, (response) => {
      // Whoever reads the body is told by its own reading; one that nobody reads may break off.
      response.on("error", () => {})
      resume(Effect.succeed({ response, from: response.socket.remoteAddress }))
    })
    request.on("timeout", () => request.destroy(new Error(`nothing came for ${idleMs / 1000} s`)))
    request.on("error", (cause) => resume(Effect.fail(unreachable(url, cause))))
    request.end()
    return Effect.sync(() => request.destroy())
  })
  return Effect.acquireRelease(asked, ({ response }) => Effect.sync(() => response.destroy()), { interruptible: true })
}

const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status)

/** The answer at the end of the redirects, whatever its status; its body is closed with the scope. */
export const exchange = Effect.fnUntraced(
  function*(question: Question): Effect.fn.Return<Answer, PullFailed, Scope.Scope> {
    const hops: Array<Http.IncomingMessage> = []
    let url = question.url
    const network = yield* SystemNetwork
    let publicOnly: Network | undefined
    for (;;) {
      const sameServer = url.origin === question.url.origin
      const { from, response: body } = yield* open(
        url,
        question.method,
        {
          "user-agent": "sluice",
          "accept-encoding": "identity",
          ...question.headers,
          ...(question.token !== undefined && sameServer
            ? { authorization: `Bearer ${Redacted.value(question.token)}` }
            : {})
        },
        publicOnly
      )
      // A source inside a private network may lead about in it; a public one not even back to its own name there.
      if (hops.length === 0 && (from === undefined || !network.isPrivate(from))) publicOnly = network
      hops.push(body)
      const here = url
      const status = body.statusCode ?? 0
      const header = (name: string, hop = body): string | undefined => {
        const value = hop.headers[name.toLowerCase()]
        return Array.isArray(value) ? value[0] : value
      }
      const answer: Answer = {
        status,
        url: here,
        body,
        header: (name) => header(name),
        headerOnTheWay: (name) => hops.map((hop) => header(name, hop)).find((value) => value !== undefined)
      }
      if (!isRedirect(status)) return answer
      const target = yield* Effect.mapError(
        Effect.fromResult(redirectTarget(here, header("location"))),
        (reason) => new PullFailed({ kind: "redirect", reason })
      )
      if (question.stay === true && target.origin !== question.url.origin) return answer
      if (hops.length > mostRedirects) {
        return yield* new PullFailed({
          kind: "redirect",
          reason: `${question.url.host} redirects more than ${mostRedirects} times`
        })
      }
      body.resume()
      url = target
    }
  }
)

/** A body as text, of which more than `most` bytes are a mistake. */
export const readText = ({ body, url }: Answer, most: number): Effect.Effect<string, PullFailed> =>
  Effect.tryPromise({
    try: async () => {
      const parts: Array<Buffer> = []
      let size = 0
      for await (const part of body) {
        if (!Buffer.isBuffer(part)) continue
        size += part.length
        if (size > most) {
          throw new PullFailed({ kind: "protocol", reason: `${url.host} answers with more than ${most} bytes` })
        }
        parts.push(part)
      }
      return Buffer.concat(parts).toString("utf8")
    },
    catch: (cause) =>
      cause instanceof PullFailed ? cause : unreachable(url, cause instanceof Error ? cause : new Error(String(cause)))
  })
