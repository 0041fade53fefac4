/**
 * Certificates for tests, made by openssl: an authority of the test's own, and what it signs.
 */
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { readFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { temporaryDirectory } from "./ServerProcess.ts"

export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

export interface Authority {
  /** The file of its own certificate. */
  readonly ca: string
  /** The same as text. */
  readonly caText: string
  /** A certificate for localhost in two new files; the common name tells it from others. */
  readonly issue: (name: string) => CertificateFiles
}

const openssl = (...args: ReadonlyArray<string>): void => {
  execFileSync("openssl", args, { stdio: "pipe" })
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]

/** For as long as the scope. */
export const certificateAuthority = Effect.map(temporaryDirectory, (directory): Authority => {
  const inside = (name: string): string => join(directory, name)
  const [ca, caKey] = [inside("ca.pem"), inside("ca.key")]
  openssl("req", "-x509", ...newKey, "-keyout", caKey, "-out", ca, "-days", "2", "-subj", "/CN=Sluice test authority")
  return {
    ca,
    caText: readFileSync(ca, "utf8"),
    issue: (name) => {
      const files = { cert: inside(`${name}.pem`), key: inside(`${name}.key`) }
      const signing = ["-CA", ca, "-CAkey", caKey, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
      openssl(
        "req",
        "-x509",
        ...newKey,
        ...signing,
        "-keyout",
        files.key,
        "-out",
        files.cert,
        "-days",
        "2",
        "-subj",
        `/CN=${name}`
      )
      return files
    }
  }
})

/** Puts a file in another's place, as certificate managers do. */
export const replaceFile = (by: string, file: string): void => renameSync(by, file)
