/**
 * Which version answers a request that names none: a pure function of the rollout and of the caller's routing key, the same
 * in every process and after every restart.
 *
 * A caller has a place in [0, 1) by a hash of its key, and the target has the first `percentage` hundredths: raising the
 * percentage takes more callers in and sends none back. The hash is salted by model and target, so who is first to try one
 * version is not first to try every other.
 */
import { hashString } from "./StringHash.ts"

/** Percentages are 0 to 100. */
export type Routing =
  | { readonly type: "pinned" }
  | { readonly type: "canary"; readonly targetVersion: string; readonly percentage: number }
  | { readonly type: "shadow"; readonly targetVersion: string; readonly percentage: number }
  | { readonly type: "ab_test"; readonly weights: ReadonlyMap<string, number> }

/** Salts an A/B test, which has no target; no version's name has a space. */
const abTestSalt = "ab test"

/** Where a key lies in [0, 1). The parts are hashed one after another, for a joined text would cost an allocation. */
const placeOf = (model: string, salt: string, key: string): number =>
  hashString(key, hashString(salt, hashString(model, 0))) / 4_294_967_296

interface Share {
  readonly version: string
  /** Where its part of [0, 1) ends. */
  readonly end: number
}

const totalOf = (weights: ReadonlyMap<string, number>): number => {
  let total = 0
  for (const weight of weights.values()) total += weight
  return total
}

/** In the order of the names, so that the order of the file decides nothing. */
const sharesOf = (weights: ReadonlyMap<string, number>): ReadonlyArray<Share> => {
  const total = totalOf(weights)
  const shares: Array<Share> = []
  let sum = 0
  for (const version of [...weights.keys()].sort()) {
    const weight = weights.get(version) ?? 0
    if (weight <= 0) continue
    sum += weight
    shares.push({ version, end: sum / total })
  }
  return shares
}

/** Shares by the weights they were made of, which do not change while a registry is served. */
const knownShares = new WeakMap<ReadonlyMap<string, number>, ReadonlyArray<Share>>()

const shareOf = (weights: ReadonlyMap<string, number>, place: number): string | undefined => {
  let shares = knownShares.get(weights)
  if (shares === undefined) {
    shares = sharesOf(weights)
    knownShares.set(weights, shares)
  }
  for (const { end, version } of shares) if (place < end) return version
  // The sums are rounded: what lies behind the last end is the last one's.
  return shares.at(-1)?.version
}

/** The version that answers. A shadow's target never does. */
export const assignVersion = (model: string, defaultVersion: string, routing: Routing, key: string): string => {
  switch (routing.type) {
    case "pinned":
    case "shadow":
      return defaultVersion
    case "canary": {
      const { percentage, targetVersion } = routing
      if (percentage <= 0) return defaultVersion
      return placeOf(model, targetVersion, key) * 100 < percentage ? targetVersion : defaultVersion
    }
    case "ab_test":
      return shareOf(routing.weights, placeOf(model, abTestSalt, key)) ?? defaultVersion
  }
}

/** Whether a shadow computes a copy of this request; `sample` is uniform in [0, 1). */
export const isSampled = (percentage: number, sample: number): boolean => sample * 100 < percentage

/** The share of requests without a version that this version answers, 0 to 100. */
export const trafficPercent = (defaultVersion: string, routing: Routing, version: string): number => {
  switch (routing.type) {
    case "pinned":
    case "shadow":
      return version === defaultVersion ? 100 : 0
    case "canary":
      if (version === routing.targetVersion) return routing.percentage
      return version === defaultVersion ? 100 - routing.percentage : 0
    case "ab_test": {
      const total = totalOf(routing.weights)
      if (total <= 0) return version === defaultVersion ? 100 : 0
      return 100 * (routing.weights.get(version) ?? 0) / total
    }
  }
}
