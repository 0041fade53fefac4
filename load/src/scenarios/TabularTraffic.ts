/**
 * The one-row calls of the tabular scenarios, to our server, the echo and the twin alike.
 */
import { type Traffic, uncached } from "../generators/Traffic.ts"
import { featureRows, rowBody } from "../Inputs.ts"
import type { Running } from "../processes/Server.ts"

export const rowTraffic = ({ url }: Running): Traffic => ({
  url: `${url}/v2/models/breast-cancer/infer`,
  requests: featureRows(64).map((row) => ({ body: rowBody("features", row) })),
  headers: uncached
})
