/**
 * A FastAPI app with onnxruntime that does the same without batching, as many teams serve a model today. Optional: it
 * needs Python with the packages of `load/twin/requirements.txt`.
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { cacheFolder, onPath } from "../generators/Programs.ts"
import type { Program } from "../processes/Server.ts"

const folder = fileURLToPath(new URL("../../twin/", import.meta.url))
const environment = (): string => join(cacheFolder(), "twin")
const run = promisify(execFile)

const hasPackages = (python: string): Promise<boolean> =>
  run(python, ["-c", "import fastapi, uvicorn, onnxruntime, tokenizers"]).then(() => true, () => false)

/** The Python to run it with, or undefined where none has the packages. `make`: into an environment in the cache folder. */
const findPython = async (make: boolean, say: (line: string) => void): Promise<string | undefined> => {
  const own = join(environment(), "bin", "python")
  const system = onPath("python3")
  for (const python of [own, system]) {
    if (python !== undefined && (python === system || existsSync(python)) && await hasPackages(python)) return python
  }
  if (!make || system === undefined) return undefined
  say(`making the twin's Python environment in ${environment()}, once`)
  await run(system, ["-m", "venv", "--clear", environment()])
  await run(own, [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "-r",
    join(folder, "requirements.txt")
  ])
  return own
}

export interface TwinModels {
  readonly embeddings?: string
  readonly breastCancer?: string
}

/** The twin as a program to start, or undefined where it cannot run. */
export const findTwin = async (
  models: TwinModels,
  make: boolean,
  say: (line: string) => void
): Promise<Program | undefined> => {
  const python = await findPython(make, say)
  return python === undefined ? undefined : {
    name: "the twin",
    command: python,
    arguments: ["-B", join(folder, "main.py")],
    env: { EMBEDDINGS: models.embeddings ?? "", BREAST_CANCER: models.breastCancer ?? "" },
    ready: /Application startup complete/
  }
}

export const twinMissing = "twin: not run; --twin makes its Python environment, where python3 is"
