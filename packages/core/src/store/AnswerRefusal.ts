/**
 * Why an answer does not bring the file that was asked for. Pure.
 */
import { retryAfterMs } from "./Attempts.ts"
import type { Answer } from "./Exchange.ts"
import { PullFailed } from "./StoreErrors.ts"

/** A failure after which the same call may succeed. */
export const transient = (kind: PullFailed["kind"], reason: string, cause?: unknown): PullFailed =>
  new PullFailed({ kind, reason, transient: true, cause })

/** What a status that brings no content means. `subject` begins the sentence. */
export const refusal = (answer: Answer, subject: string, nowMs: number): PullFailed => {
  const { status, url } = answer
  if (status === 401) {
    return new PullFailed({
      kind: "unauthorised",
      reason: `${subject}: ${url.host} does not show it without a key that it knows (401): check its name, ` +
        "and set HF_TOKEN where it is private"
    })
  }
  if (status === 403) {
    return new PullFailed({
      kind: "forbidden",
      reason: `${subject}: ${url.host} refuses it (403): HF_TOKEN must belong to somebody who may read it, and who ` +
        "has accepted its terms where it has any"
    })
  }
  if (status === 404 || status === 410) {
    return new PullFailed({ kind: "missing", reason: `${subject}: ${url.host} has none (${status})` })
  }
  const after = retryAfterMs(answer.header("retry-after"), nowMs)
  const reason = `${subject}: ${url.host} answered with status ${status}`
  if (status === 429 || status === 503) {
    return new PullFailed({
      kind: status === 429 ? "busy" : "unreachable",
      reason,
      transient: true,
      ...(after === undefined ? {} : { retryAfterMs: after })
    })
  }
  return status >= 500 || status === 408
    ? transient("unreachable", reason)
    : new PullFailed({ kind: "protocol", reason })
}

const isPage = (type: string | undefined): boolean => /^(text\/html|application\/xhtml\+xml)\b/i.test(type ?? "")

/**
 * Why the body of a good answer is not taken for the file. `known`: whether its size or a digest is known before, which
 * tells a page, or a body that broke off, from the file. https://www.rfc-editor.org/rfc/rfc9112#section-6.3
 */
export const unfitBody = (answer: Answer, subject: string, known: boolean): PullFailed | undefined => {
  const { host } = answer.url
  const coding = answer.header("content-encoding")
  const refused = (reason: string) => new PullFailed({ kind: "protocol", reason: `${subject}: ${host} ${reason}` })
  if (answer.status !== 200 && answer.status !== 206) return undefined
  if (coding !== undefined && coding.toLowerCase() !== "identity") {
    return refused(`sends it encoded as ${coding}, which was not asked for`)
  }
  if (known) return undefined
  if (isPage(answer.header("content-type"))) {
    return refused(
      "answers with a page for people (text/html), not with the file: check the address, and whether it asks who you are"
    )
  }
  // Then the end of the connection is the end of the body, be it whole or not; a part says of how much it is.
  if (
    answer.status === 200 && answer.header("content-length") === undefined &&
    answer.header("transfer-encoding") === undefined
  ) {
    return refused(
      "does not say how long it is, so that nothing tells whether it came whole: fetch it by other means, check it, and give its path"
    )
  }
  return undefined
}
