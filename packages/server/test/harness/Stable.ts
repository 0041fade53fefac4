/**
 * Answers as they can be compared: times are 0, and computed numbers have three decimals.
 */
const times = new Set(["latency_ms", "inference_time_seconds", "throughput_samples_per_sec"])

export const stable = (value: unknown): unknown => {
  if (typeof value === "number") return Math.round(value * 1000) / 1000
  if (Array.isArray(value)) return value.map(stable)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, times.has(key) && typeof inner === "number" ? 0 : stable(inner)])
  )
}
