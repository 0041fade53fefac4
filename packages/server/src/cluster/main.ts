/**
 * One of several server processes on one port, as the primary forks it. It never outlives the primary.
 */
import { SpareWorkers } from "@sluice/core/execution/SpareWorkers"
import { enableCompileCache } from "node:module"

enableCompileCache()
// Before Node's own handler, whose `process.exit` would end workers inside native code, which aborts noisily.
process.prependOnceListener("disconnect", () => process.kill(process.pid, "SIGKILL"))
const spares = new SpareWorkers(2)
const { runServingProcess } = await import("./ServingProcess.ts")
runServingProcess({ arguments: process.argv.slice(2), spares })
