/**
 * Whether an answer is the one that the documentation shows, but for what differs from call to call. Pure.
 */

/** Times, and what is made of them. */
const measured = new Set(["latency_ms", "inference_time_seconds", "throughput_samples_per_sec"])
const ids = new Set(["request_id"])

/** The int8 kernels of another CPU round otherwise. */
const toleranceOf = (path: string): number => path.includes(".embedding.") ? 0.05 : 1e-5

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const text = (value: unknown): string => value === undefined ? "nothing" : JSON.stringify(value)

/** One line for each difference. */
export const differences = (shown: unknown, got: unknown, path = ""): ReadonlyArray<string> => {
  const field = path.slice(path.lastIndexOf(".") + 1)
  const differs = [
    `${path === "" ? "the answer" : path.slice(1)}: the page shows ${text(shown)}, the server gave ${text(got)}`
  ]
  if (Array.isArray(shown) && Array.isArray(got)) {
    return shown.length === got.length
      ? shown.flatMap((value, index) => differences(value, got[index], `${path}.${index}`))
      : differs
  }
  if (isRecord(shown) && isRecord(got)) {
    const names = new Set([...Object.keys(shown), ...Object.keys(got)])
    return [...names].flatMap((name) => differences(shown[name], got[name], `${path}.${name}`))
  }
  if (typeof shown === "number" && typeof got === "number") {
    return measured.has(field) || Math.abs(shown - got) <= toleranceOf(path) ? [] : differs
  }
  if (ids.has(field)) return typeof shown === typeof got ? [] : differs
  return shown === got ? [] : differs
}
