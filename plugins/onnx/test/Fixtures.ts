/**
 * The small models that the tests run on. `fixtures/make.py` makes them.
 */
import { fileURLToPath } from "node:url"

export const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}.onnx`, import.meta.url))

/** A model that ships, by its path under `config/models`. */
export const shipped = (path: string): string =>
  fileURLToPath(new URL(`../../../config/models/${path}`, import.meta.url))
