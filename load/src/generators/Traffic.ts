/**
 * What a generator sends: POSTs to one path, in turn, so that no two consecutive requests are the same.
 */

export interface Request {
  readonly body: string
  /** Told apart in the results by this name; sent as the query, which no surface reads. */
  readonly tag?: string
}

export interface Traffic {
  readonly url: string
  readonly requests: ReadonlyArray<Request>
  readonly headers: Readonly<Record<string, string>>
}

/** JSON whose answers are neither taken from the prediction cache nor kept in it: every request is computed. */
export const uncached: Readonly<Record<string, string>> = {
  "content-type": "application/json",
  "cache-control": "no-store"
}
