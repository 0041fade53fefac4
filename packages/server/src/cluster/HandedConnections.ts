/**
 * Mends a gap in Node 24: a connection that the primary handed to a process which died before it took it is forgotten,
 * open, and its client waits forever. It is given to another process instead, as if the dead one had refused it.
 */
import type { Worker } from "node:cluster"

/** Node's own messages between primary and worker (`lib/internal/cluster`): a connection with its number, and its receipt. */
interface InternalMessage {
  readonly act?: string
  readonly seq?: number
  readonly ack?: number
}

const isInternal = (message: unknown): message is InternalMessage => typeof message === "object" && message !== null

/** Follows what a process is handed. To be called when it has ended: others get what it had not taken. */
export const trackConnections = ({ process }: Worker): () => void => {
  const untaken = new Set<number>()
  let hasDisconnected = false
  const send = process.send.bind(process)
  process.send = (message: unknown, ...rest: Array<unknown>): boolean => {
    if (isInternal(message) && message.act === "newconn" && message.seq !== undefined) untaken.add(message.seq)
    return Reflect.apply(send, undefined, [message, ...rest])
  }
  process.on("internalMessage", ({ ack }: InternalMessage) => {
    if (ack !== undefined) untaken.delete(ack)
  })
  process.once("disconnect", () => {
    hasDisconnected = true
  })
  return () => {
    // While a connection waits to be taken Node puts this event off, for ever, and the process stays in the rotation.
    if (!hasDisconnected) process.emit("disconnect")
    for (const ack of untaken) process.emit("internalMessage", { cmd: "NODE_CLUSTER", ack, accepted: false })
  }
}
