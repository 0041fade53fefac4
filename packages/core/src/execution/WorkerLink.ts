/**
 * The line to one worker, be it a thread of this process or a process of its own.
 */
import type { FromWorker, ToWorker } from "./WorkerProtocol.ts"

/** What becomes of a worker. None of it is called before the link has been returned. */
export interface LinkEvents {
  readonly onMessage: (message: FromWorker) => void
  /** A message came that cannot be read: whose answer it was, it would have said. */
  readonly onUnreadable: (reason: string) => void
  /** What a worker writes that has a stdout and stderr of its own, by the line. */
  readonly onLine: (line: string) => void
  /** The worker is gone; called once, with why. */
  readonly onEnd: (reason: string) => void
}

export interface WorkerLink {
  /**
   * Sends a message. The buffers are moved where the worker shares this process's memory, else copied; the caller may
   * not use them afterwards. Throws where the message cannot be sent, such as one that holds a function.
   */
  readonly post: (message: ToWorker, buffers: ReadonlyArray<ArrayBuffer>) => void
  /** Whether `kill` harms nobody else while the worker computes: not a thread, which may be inside native code. */
  readonly killable: boolean
  /** Ends the worker at once. */
  readonly kill: () => void
}

export type StartLink = (events: LinkEvents) => WorkerLink
