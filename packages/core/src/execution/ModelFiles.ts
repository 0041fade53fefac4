/**
 * A model's files as a plugin sees them: the one the registry names, and those beside it.
 */
import type { ModelFiles } from "@sluice/plugin-sdk/Plugin"
import * as Fs from "node:fs"
import * as Path from "node:path"

/** `beside` answers plain file names only, so that an option cannot reach outside the model's folder. */
export const modelFiles = (path: string): ModelFiles => ({
  path,
  beside: (name) => {
    if (name !== Path.basename(name)) return undefined
    const file = Path.join(Path.dirname(path), name)
    return Fs.statSync(file, { throwIfNoEntry: false })?.isFile() === true ? file : undefined
  }
})
