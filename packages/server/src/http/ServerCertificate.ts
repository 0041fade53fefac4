/**
 * The server's certificate and key: read and checked as a pair, and taken up anew when their files change.
 */
import { watchFile } from "@sluice/core/registry/FileWatch"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { X509Certificate } from "node:crypto"
import * as NodeFs from "node:fs/promises"
import type { Server } from "node:https"
import { createSecureContext } from "node:tls"

export interface CertificateFiles {
  /** PEM, with the chain below the server's own. */
  readonly cert: string
  /** PEM, without a passphrase. */
  readonly key: string
}

/** What Node's TLS takes. */
export interface CertificatePair {
  readonly cert: string
  readonly key: string
  /** RFC 8996 has deprecated what came before. */
  readonly minVersion: "TLSv1.2"
}

/** The pair cannot be used; the reason is a sentence for the operator, with nothing of the key in it. */
export class CertificateRefused
  extends Data.TaggedError("CertificateRefused")<{ readonly reason: string; readonly cause: unknown }>
{
  override get message() {
    return this.reason
  }
}

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "unknown"

const readPem = (file: string) =>
  Effect.tryPromise({
    try: () => NodeFs.readFile(file, "utf8"),
    catch: (cause) => new CertificateRefused({ reason: `${file} cannot be read (${codeOf(cause)})`, cause })
  })

const tryTls = <A>(action: () => A, problem: (code: string) => string) =>
  Effect.try({
    try: action,
    catch: (cause) => new CertificateRefused({ reason: problem(codeOf(cause)), cause })
  })

/** Reads the two files, and fails where they cannot serve together. */
export const readCertificate = Effect.fnUntraced(
  function*({ cert: certFile, key: keyFile }: CertificateFiles): Effect.fn.Return<CertificatePair, CertificateRefused> {
    const [cert, key] = yield* Effect.all([readPem(certFile), readPem(keyFile)])
    yield* tryTls(
      () => createSecureContext({ cert }),
      (code) => `${certFile} holds no certificate in PEM that can be used (${code})`
    )
    yield* tryTls(
      () => createSecureContext({ key }),
      (code) => `${keyFile} holds no private key in PEM that can be used; it must have no passphrase (${code})`
    )
    const pair: CertificatePair = { cert, key, minVersion: "TLSv1.2" }
    yield* tryTls(() => createSecureContext(pair), () => `the key of ${keyFile} does not belong to ${certFile}`)
    return pair
  }
)

const validity = ({ cert }: CertificatePair): string => {
  const { subject, validFrom, validTo } = new X509Certificate(cert)
  return `${subject.replaceAll("\n", ", ")}, valid from ${validFrom} to ${validTo}`
}

/** Follows the files for as long as the scope. Connections that are open go on; a pair that cannot be used leaves the old. */
export const followCertificate = Effect.fnUntraced(
  function*(server: Server, files: CertificateFiles, served: CertificatePair) {
    let current = served
    let refusal: string | undefined
    const reload = readCertificate(files).pipe(
      Effect.matchEffect({
        onSuccess: (pair) => {
          refusal = undefined
          if (pair.cert === current.cert && pair.key === current.key) return Effect.void
          current = pair
          server.setSecureContext(pair)
          return Effect.logInfo(`the server's certificate was renewed: ${validity(pair)}`)
        },
        onFailure: ({ reason }) => {
          if (reason === refusal) return Effect.void
          refusal = reason
          return Effect.logWarning(`the server keeps its certificate: ${reason}`)
        }
      })
    )
    // Two files are written one after the other: with the first of them new, they do not fit together yet.
    for (const file of new Set([files.cert, files.key])) yield* watchFile(file, reload)
  }
)
