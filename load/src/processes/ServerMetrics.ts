/**
 * What the server says of itself on its metrics page.
 */

/** The values of one metric by their labels, as the page writes them; "" where there are none. */
export const metricValues = (page: string, name: string): ReadonlyMap<string, number> =>
  new Map(
    page.split("\n")
      .map((line) => /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)$/.exec(line))
      .filter((found) => found !== null && found[1] === name)
      .map((found) => [found?.[2] ?? "", Number(found?.[3])])
  )

export const readMetrics = async (url: string): Promise<string> => (await fetch(`${url}/metrics`)).text()

/** Between two samples of Node's delay monitor, which counts it into every delay. */
const samplingMs = 10

/**
 * The 99th percentile of the event loop's delay since the page was last read, in milliseconds. Reading starts anew. The
 * monitor looks every 10 ms, so that single turns between its looks are not seen.
 */
export const eventLoopDelayMs = async (url: string): Promise<number> => {
  const seconds = metricValues(await readMetrics(url), "nodejs_eventloop_lag_p99_seconds").get("")
  return seconds === undefined ? NaN : Math.max(0, seconds * 1000 - samplingMs)
}
