/**
 * Which of a version's files is served when the operator wants one precision for all (`PRECISION=fp16`).
 */
import type { Precision } from "@sluice/domain/ModelInfo"
import type { ModelFile, VersionEntry } from "./RegistryEntry.ts"

export interface PrecisionChoice {
  readonly precision: Precision
  readonly file: ModelFile
  /** Says that the version has not the precision that was wanted, and is served in its own. */
  readonly notice: string | undefined
}

/** The version's file in the wanted precision if it has one, else in its own. */
export const resolvePrecision = (version: VersionEntry, wanted: Precision | undefined): PrecisionChoice => {
  const own = { precision: version.precision, file: version.file, notice: undefined }
  if (wanted === undefined || wanted === version.precision) return own
  const variant = version.variants.get(wanted)
  if (variant !== undefined) return { precision: wanted, file: variant, notice: undefined }
  return {
    ...own,
    notice: `model "${version.model}" version "${version.version}" has no ${wanted} file: it is served in ` +
      version.precision
  }
}
