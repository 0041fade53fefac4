/**
 * Whether a rate is above a bound, by a test that may be looked at after every observation and stopped at any time.
 *
 * After n observations, k of which count, the evidence against "the rate is at most p0" is the likelihood of a rate p over
 * that of p0, averaged over rates p above p0 by a prior:
 *
 *     E = ∫ (p / p0)^k ((1 - p) / (1 - p0))^(n - k) π(p) dp,   p in (p0, 1)
 *
 * While the rate is at most p0, whatever the past, each observation multiplies every such ratio by 1 or less on average: it
 * multiplies by p / p0 with a probability q ≤ p0 and by (1 - p) / (1 - p0) otherwise, which on average is 1 at q = p0 and
 * less below. So E is a non-negative supermartingale that starts at 1, and by Ville's inequality the probability that it
 * ever reaches 1 / alpha, over all time, is at most alpha. Nobody has to say beforehand when to look, or how often.
 *
 * Sources: Ville 1939; Robbins, "Statistical methods related to the law of the iterated logarithm", Annals of Mathematical
 * Statistics 41, 1970 (mixtures); Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
 * sequences", Annals of Statistics 49, 2021; Ramdas, Grünwald, Vovk, Shafer, "Game-theoretic statistics and safe
 * anytime-valid inference", Statistical Science 38, 2023.
 */
import { logBeta, logIncompleteBeta, logIncompleteBetaAbove } from "./BetaFunction.ts"

/**
 * The prior above p0 is Beta(1, b), cut at p0: with a small p0 it falls off as an exponential with a mean of 2 p0 above p0,
 * where a target that is worse than it may be mostly lies, and with a large one it is uniform. Any prior keeps the
 * false-alarm rate; this one decides sooner than a uniform one.
 */
const priorShape = (p0: number): number => Math.max(1, 1 / (2 * p0))

/**
 * ln E against "the rate is at most `p0`", given `events` of `trials`. Negative where they speak for it; Infinity where one
 * event refutes a bound of 0.
 */
export const logEvidenceAbove = (events: number, trials: number, p0: number): number => {
  if (p0 >= 1) return 0
  if (p0 <= 0) return events > 0 ? Infinity : 0
  const others = trials - events
  const shape = priorShape(p0)
  return Math.log(shape) + logBeta(events + 1, others + shape) +
    logIncompleteBetaAbove(p0, events + 1, others + shape) -
    events * Math.log(p0) - (others + shape) * Math.log1p(-p0)
}

/** ln E against "the rate is at least `p0`": the same with the rates below p0, and a uniform prior. For p0 in (0, 1). */
export const logEvidenceBelow = (events: number, trials: number, p0: number): number => {
  const others = trials - events
  return logBeta(events + 1, others + 1) + logIncompleteBeta(p0, events + 1, others + 1) -
    (events + 1) * Math.log(p0) - others * Math.log1p(-p0)
}

/** Whether the rate is above `p0`, wrong with a probability of at most `alpha` however often it is asked. */
export const exceedsRate = (events: number, trials: number, p0: number, alpha: number): boolean =>
  logEvidenceAbove(events, trials, p0) >= -Math.log(alpha)

/** Whether the rate is below `p0`, wrong with a probability of at most `alpha` however often it is asked. */
export const isBelowRate = (events: number, trials: number, p0: number, alpha: number): boolean =>
  logEvidenceBelow(events, trials, p0) >= -Math.log(alpha)
