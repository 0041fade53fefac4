/**
 * Registries for tests, written as objects.
 */
import { parseYaml } from "@sluice/core/config/YamlDocument"
import { decodeRegistry } from "@sluice/core/registry/RegistryDecode"
import type { Registry } from "@sluice/core/registry/RegistryEntry"
import * as Result from "effect/Result"
import { stringify } from "yaml"

/** The registry with these models, as if it were read from `file`. */
export const registryOf = (models: object, file = "/etc/sluice/registry.yaml"): Registry =>
  Result.getOrThrow(Result.flatMap(parseYaml(stringify({ models }), file), decodeRegistry))
