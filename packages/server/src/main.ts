/**
 * `npm start`: serves until SIGTERM or SIGINT, then stops in order; a second SIGINT ends at once.
 */
import { SpareWorkers } from "@sluice/core/execution/SpareWorkers"
import { enableCompileCache } from "node:module"

// Before anything else is imported: compiled code of the last start is kept, and two workers import beside this thread.
enableCompileCache()
const spares = new SpareWorkers(2)
const { runServer } = await import("./RunServer.ts")
runServer({ env: process.env, spares })
