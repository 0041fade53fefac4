/**
 * The routes of a model hub, as Hugging Face has them: what a revision is and holds, and what a file of it is.
 * https://huggingface.co/docs/hub/api
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { refusal } from "./AnswerRefusal.ts"
import { persistently } from "./Attempts.ts"
import { type Answer, exchange, readText } from "./Exchange.ts"
import { isFileName } from "./FileName.ts"
import { PullFailed } from "./StoreErrors.ts"

export interface Hub {
  /** `https://huggingface.co`, or a mirror. */
  readonly endpoint: URL
  readonly token: Redacted.Redacted<string> | undefined
}

/** What is known of a file before it is fetched. */
export interface HubFile {
  readonly path: string
  readonly sha256: string | undefined
  /** The name of its content in git, for files that the hub keeps there. */
  readonly gitBlob: string | undefined
  readonly size: number | undefined
}

export interface HubRevision {
  /** The commit, in hexadecimal: what a branch or tag stands for now. */
  readonly commit: string
  readonly files: ReadonlyArray<HubFile>
}

const commitForm = /^[0-9a-f]{40,64}$/
const sha256Form = /^[0-9a-f]{64}$/
const gitForm = /^[0-9a-f]{40}$/

const Info = Schema.fromJsonString(Schema.Struct({
  sha: Schema.String.check(Schema.isPattern(commitForm, { expected: "a commit" })),
  siblings: Schema.Array(Schema.Struct({
    rfilename: Schema.String,
    size: Schema.optionalKey(Schema.NullOr(Schema.Natural)),
    blobId: Schema.optionalKey(Schema.NullOr(Schema.String)),
    lfs: Schema.optionalKey(Schema.NullOr(Schema.Struct({ sha256: Schema.String, size: Schema.Natural })))
  }))
}))

/** A list of files of a repository of thousands. */
const mostInfoBytes = 32 * 1024 * 1024

const below = (endpoint: URL, path: string): URL => new URL(`${endpoint.href.replace(/\/+$/, "")}${path}`)

const escaped = (path: string): string => path.split("/").map(encodeURIComponent).join("/")

/** Where a file of a commit is. */
export const resolveUrl = ({ endpoint }: Hub, repository: string, commit: string, file: string): URL =>
  below(endpoint, `/${repository}/resolve/${encodeURIComponent(commit)}/${escaped(file)}`)

const okay = Effect.fnUntraced(function*(answer: Answer, subject: string) {
  if (answer.status !== 200) return yield* refusal(answer, subject, yield* Clock.currentTimeMillis)
})

/** What a branch, tag or commit of a repository holds. Files whose names lead out of a folder are as if not there. */
export const readRevision = (
  hub: Hub,
  repository: string,
  revision: string
): Effect.Effect<HubRevision, PullFailed> => {
  const subject = `${repository} at ${revision}`
  const url = below(hub.endpoint, `/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`)
  const read = Effect.gen(function*() {
    const answer = yield* exchange({ method: "GET", url, token: hub.token })
    yield* okay(answer, subject)
    const text = yield* readText(answer, mostInfoBytes)
    const info = yield* Schema.decodeUnknownEffect(Info)(text).pipe(
      Effect.mapError((cause) =>
        new PullFailed({
          kind: "protocol",
          reason: `${subject}: ${answer.url.host} does not answer as a model hub does: check HF_ENDPOINT`,
          cause
        })
      )
    )
    return {
      commit: info.sha,
      files: info.siblings.filter(({ rfilename }) => isFileName(rfilename)).map((file): HubFile => ({
        path: file.rfilename,
        sha256: file.lfs?.sha256,
        gitBlob: file.lfs ? undefined : file.blobId ?? undefined,
        size: file.lfs?.size ?? file.size ?? undefined
      }))
    }
  })
  return persistently(Effect.scoped(read))
}

/** An entity tag without its quotes, if it has the form of this digest. */
const digestIn = (tag: string | undefined, form: RegExp): string | undefined => {
  const plain = tag?.replace(/^W\//, "").replaceAll("\"", "").toLowerCase()
  return plain !== undefined && form.test(plain) ? plain : undefined
}

const wholeNumber = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined

/** Two accounts of one fact; they must agree where both are given. */
const agreed = <A>(
  subject: string,
  one: A | undefined,
  other: A | undefined
): Effect.Effect<A | undefined, PullFailed> =>
  one !== undefined && other !== undefined && one !== other
    ? Effect.fail(
      new PullFailed({
        kind: "protocol",
        reason: `${subject}: the hub says of it both ${String(one)} and ${String(other)}; nothing was fetched`
      })
    )
    : Effect.succeed(one ?? other)

/** Asks what a file of a commit is, before any of it is sent. */
export const describeFile = (
  hub: Hub,
  repository: string,
  commit: string,
  file: HubFile
): Effect.Effect<HubFile, PullFailed> => {
  const subject = `${repository}: ${file.path}`
  const url = resolveUrl(hub, repository, commit, file.path)
  const describe = Effect.gen(function*() {
    const answer = yield* exchange({ method: "HEAD", url, token: hub.token, stay: true })
    const moved = answer.status >= 300 && answer.status < 400
    if (!moved) yield* okay(answer, subject)
    const theirs = answer.headerOnTheWay("x-repo-commit")
    if (theirs !== undefined && theirs !== commit) {
      return yield* new PullFailed({
        kind: "protocol",
        reason: `${subject}: asked for commit ${commit}, ${url.host} speaks of ${theirs}`
      })
    }
    const linked = answer.headerOnTheWay("x-linked-etag")
    const tag = linked ?? answer.header("etag")
    const size = wholeNumber(answer.headerOnTheWay("x-linked-size")) ??
      (moved ? undefined : wholeNumber(answer.header("content-length")))
    return {
      path: file.path,
      sha256: yield* agreed(subject, file.sha256, digestIn(linked, sha256Form)),
      gitBlob: file.sha256 === undefined ? file.gitBlob ?? digestIn(tag, gitForm) : undefined,
      size: yield* agreed(subject, file.size, size)
    }
  })
  return persistently(Effect.scoped(describe))
}
