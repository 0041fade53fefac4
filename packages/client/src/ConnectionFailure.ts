/**
 * Why no answer came, as a sentence for people. Programs match on the error's `reason` instead. Pure.
 */
import type { RpcClientError } from "effect/rpc/RpcClientError"

/** What may stand in `cause`: the platform's error, whose own cause has the system's code or the response. */
interface Caused {
  readonly code?: unknown
  readonly cause?: unknown
  readonly error?: unknown
  readonly reason?: unknown
  readonly response?: { readonly status?: unknown }
}

const isCaused = (value: unknown): value is Caused => typeof value === "object" && value !== null

/** The first `code` or HTTP status down the chain of causes. */
const find = (value: unknown, pick: (caused: Caused) => unknown, depth = 0): unknown => {
  if (!isCaused(value) || depth > 6) return undefined
  return pick(value) ?? find(value.cause ?? value.error ?? value.reason, pick, depth + 1)
}

const systemReasons: Readonly<Record<string, string>> = {
  ENOTFOUND: ": there is no host of that name",
  EAI_AGAIN: ": the host's name cannot be looked up",
  ECONNRESET: ": the connection was cut",
  CERT_HAS_EXPIRED: ": its certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: ": its certificate is self-signed",
  ERR_SSL_WRONG_VERSION_NUMBER: ": it does not speak TLS, try http:"
}

type Failure =
  | { readonly kind: "lost" | "foreign" }
  /** Nothing listens there; `code` is the system's, where it gives one. */
  | { readonly kind: "unreachable"; readonly code: string | undefined }
  /** Something answers, but not as RPC does. */
  | { readonly kind: "refused"; readonly status: unknown }

const failureOf = ({ reason }: RpcClientError): Failure => {
  switch (reason._tag) {
    case "SocketReadError":
    case "SocketWriteError":
    case "SocketCloseError":
      return { kind: "lost" }
    case "RpcClientDefect":
      return { kind: "foreign" }
    default: {
      const status = find(reason, ({ response }) => response?.status)
      if (status !== undefined) return { kind: "refused", status }
      const code = find(reason, ({ code }) => (typeof code === "string" ? code : undefined))
      return { kind: "unreachable", code: typeof code === "string" ? code : undefined }
    }
  }
}

/** Whether nothing listens there at all, so that starting a server would help. */
export const isUnreachable = (error: RpcClientError): boolean => failureOf(error).kind === "unreachable"

export const describeConnectionFailure = (error: RpcClientError, url: string): string => {
  const failure = failureOf(error)
  switch (failure.kind) {
    case "lost":
      return `the server at ${url} left before it answered`
    case "foreign":
      return `what answers at ${url} does not speak this client's RPC: is it a Sluice server of this version?`
    case "unreachable":
      return `no server answers at ${url}${systemReasons[failure.code ?? ""] ?? ""}`
    case "refused":
      return failure.status === 413
        ? `the request is larger than the server at ${url} accepts: send fewer items a call`
        : `what answers at ${url} is no Sluice server: it said ${String(failure.status)} where RPC is served`
  }
}
