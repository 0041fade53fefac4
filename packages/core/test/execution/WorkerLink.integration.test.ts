import { processLink } from "@sluice/core/execution/ProcessLink"
import { SpareWorkers } from "@sluice/core/execution/SpareWorkers"
import { threadLink } from "@sluice/core/execution/ThreadLink"
import { workerLinkConformance } from "./WorkerLinkConformance.ts"

const spares = new SpareWorkers(0)

workerLinkConformance("a thread", threadLink(() => spares.take()))
workerLinkConformance("a process", processLink())
