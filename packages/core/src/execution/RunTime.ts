/**
 * What a run takes of its thread, without what other callbacks of the same event loop take meanwhile.
 */

/**
 * Starts counting; call it right before the run, and what it returns right after, for the milliseconds. onnxruntime
 * computes in an immediate of its own, and the one that is set here comes right before it.
 */
export const countRun = (now: () => number): () => number => {
  let began = now()
  const marker = setImmediate(() => {
    began = now()
  })
  return () => {
    clearImmediate(marker)
    return now() - began
  }
}
