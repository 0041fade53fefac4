/**
 * Where a model comes from, as an operator writes it: `hf:org/name`, an `https:` address, `file:` or a path. Pure.
 */
import * as Result from "effect/Result"
import { createHash } from "node:crypto"
import { basename, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { addressOf, isLinkLocal, isLoopbackHost } from "./Addresses.ts"
import { fileNameMistake } from "./FileName.ts"
import { SourceRefused } from "./StoreErrors.ts"

/** `text` is the source as it is shown and locked: without credentials and queries. */
export type ModelSource =
  | { readonly _tag: "Hub"; readonly text: string; readonly repository: string }
  | { readonly _tag: "Web"; readonly text: string; readonly url: URL; readonly file: string }
  | { readonly _tag: "Local"; readonly text: string; readonly path: string }

export interface SourceRules {
  /** Whether `http:` is taken, from this machine itself. */
  readonly allowHttp: boolean
}

/** As the hub has them: one part, or two with a slash between. https://huggingface.co/docs/hub/repositories */
const repository = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?$/
const revision = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,254}$/
const drive = /^[A-Za-z]:[\\/]/
const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/

const refuse = (reason: string) => Result.fail(new SourceRefused({ reason }))

/** A branch, a tag or a commit; a sentence where it is none. */
export const parseRevision = (text: string): Result.Result<string, SourceRefused> =>
  revision.test(text) && !text.includes("..") && !text.includes("//") && !text.endsWith("/")
    ? Result.succeed(text)
    : refuse(`${JSON.stringify(text)} is not a revision: give a branch, a tag or a commit, such as main`)

/** A file's name within the source. */
export const parseFileName = (name: string): Result.Result<string, SourceRefused> => {
  const mistake = fileNameMistake(name)
  return mistake === undefined
    ? Result.succeed(name)
    : refuse(`${JSON.stringify(name)} is not a file's name: ${mistake}`)
}

/** An address that may be fetched: https, or http on this machine where that is allowed; never with credentials. */
export const parseAddress = (text: string, { allowHttp }: SourceRules): Result.Result<URL, SourceRefused> => {
  if (!URL.canParse(text)) return refuse("this is not the address of anything: it cannot be parsed as a URL")
  const url = new URL(text)
  const shown = url.host + url.pathname
  if (url.username !== "" || url.password !== "") {
    return refuse(`${shown}: an address with a user or a password in it is not taken, it would end up in logs`)
  }
  const address = addressOf(url.hostname)
  if (address !== undefined && isLinkLocal(address)) {
    return refuse(`${shown}: link-local addresses are not fetched: no models are there, but a cloud's metadata`)
  }
  if (url.protocol === "https:") return Result.succeed(url)
  if (url.protocol !== "http:") return refuse(`${shown}: only https: is fetched, not ${url.protocol}`)
  if (!isLoopbackHost(url.hostname)) return refuse(`http://${shown}: http: is taken from this machine only, use https:`)
  return allowHttp
    ? Result.succeed(url)
    : refuse(`http://${shown}: http: is not fetched unless --allow-http says so, and then from this machine only`)
}

const parseHub = (name: string): Result.Result<ModelSource, SourceRefused> =>
  repository.test(name) && !name.includes("..") && !name.includes("--")
    ? Result.succeed({ _tag: "Hub", text: `hf:${name}`, repository: name })
    : refuse(`${JSON.stringify(name)} is not a repository of the hub: write hf:org/name`)

const decoded = (segment: string): string | undefined => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

const parseWeb = (text: string, rules: SourceRules): Result.Result<ModelSource, SourceRefused> =>
  Result.flatMap(parseAddress(text, rules), (url): Result.Result<ModelSource, SourceRefused> => {
    url.hash = ""
    const file = decoded(url.pathname.slice(url.pathname.lastIndexOf("/") + 1)) ?? ""
    const shown = `${url.origin}${url.pathname}`
    const mistake = file.includes("/") ? "it has a slash" : fileNameMistake(file)
    return mistake === undefined
      ? Result.succeed({ _tag: "Web", text: shown, url, file })
      : refuse(`${shown} does not end with a file's name: ${mistake}`)
  })

/** Where a file of an address is: there, or below the same folder, without the query that is the first one's own. */
export const webUrl = (
  { file, url }: Pick<Extract<ModelSource, { readonly _tag: "Web" }>, "file" | "url">,
  name: string
): URL => name === file ? url : new URL(name.split("/").map(encodeURIComponent).join("/"), url)

const parseLocal = (text: string): Result.Result<ModelSource, SourceRefused> => {
  const path = Result.try({
    try: () => resolve(/^file:\/\//i.test(text) ? fileURLToPath(text) : text.replace(/^file:/i, "")),
    catch: () => new SourceRefused({ reason: `${text} is not the path of a file on this machine` })
  })
  return Result.flatMap(path, (path): Result.Result<ModelSource, SourceRefused> =>
    path.includes("\0")
      ? refuse("a path cannot have a NUL character")
      : Result.succeed({ _tag: "Local", text: `file:${path}`, path }))
}

/** Reads a source. Nothing is looked up; a relative path counts from the working directory. */
export const parseSource = (text: string, rules: SourceRules): Result.Result<ModelSource, SourceRefused> => {
  const trimmed = text.trim()
  if (trimmed === "") return refuse("a source is needed: hf:org/name, an https: address, or a path")
  const [, kind = ""] = drive.test(trimmed) ? [] : scheme.exec(trimmed) ?? []
  switch (kind.toLowerCase()) {
    case "hf":
      return parseHub(trimmed.slice(3))
    case "http":
    case "https":
      return parseWeb(trimmed, rules)
    case "file":
    case "":
      return parseLocal(trimmed)
    default:
      return refuse(`sources are hf:org/name, https: addresses, file: and paths, not "${kind}:"`)
  }
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16)

const plain = (text: string): string => text.replaceAll(/[^A-Za-z0-9._-]/g, "-").replace(/^\.+/, "").slice(0, 64)

/** The folder of a source's snapshots: one name, the same on every machine for the hub's. */
export const sourceFolder = (source: ModelSource): string => {
  switch (source._tag) {
    case "Hub":
      // No repository has two hyphens in a row, so no two of them share a folder.
      return `models--${source.repository.replace("/", "--")}`
    case "Web":
      return `web--${plain(source.url.hostname)}--${digestOf(source.text)}`
    case "Local":
      return `local--${plain(basename(source.path))}--${digestOf(source.text)}`
  }
}
