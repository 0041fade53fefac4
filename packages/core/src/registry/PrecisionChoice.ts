/**
 * Which of a version's files is served: the operator's wish for all (`PRECISION=fp16`), what suits the device
 * (`precision: auto`), or the version's own; and which one helps out under load. Pure.
 */
import type { Device, Precision } from "@sluice/domain/ModelInfo"
import type { ModelFile, VersionEntry } from "./RegistryEntry.ts"

export interface PrecisionChoice {
  readonly precision: Precision
  readonly file: ModelFile
  /** Says that the version has not the precision that was wanted, and is served in its own. */
  readonly notice: string | undefined
}

/** The best first. CPUs compute fp16 by way of fp32; int8 is the fastest there, at some loss of accuracy. */
const byDevice = (device: Device): ReadonlyArray<Precision> =>
  device === "cpu" ? ["fp32", "int8", "fp16"] : ["fp16", "fp32", "int8"]

const fileOf = (version: VersionEntry, precision: Precision): ModelFile | undefined =>
  precision === version.precision ? version.file : version.variants.get(precision)

const choiceOf = (version: VersionEntry, precision: Precision): PrecisionChoice | undefined => {
  const file = fileOf(version, precision)
  return file === undefined ? undefined : { precision, file, notice: undefined }
}

/** The version's file in the wanted precision if it has one, else the one that suits the device, or its own. */
export const resolvePrecision = (
  version: VersionEntry,
  wanted: Precision | undefined,
  device: Device
): PrecisionChoice => {
  const own = { precision: version.precision, file: version.file, notice: undefined }
  if (wanted === undefined) {
    const suitable = version.precisionByDevice ? byDevice(device) : []
    return suitable.map((precision) => choiceOf(version, precision)).find((choice) => choice !== undefined) ?? own
  }
  return choiceOf(version, wanted) ?? {
    ...own,
    notice: `model "${version.model}" version "${version.version}" has no ${wanted} file: it is served in ` +
      version.precision
  }
}

/** The file that answers while the other one's queue is long, where the registry asks for that. */
export const resolveUnderLoad = (version: VersionEntry, chosen: Precision): PrecisionChoice | undefined =>
  version.int8AboveWait === undefined || chosen === "int8" ? undefined : choiceOf(version, "int8")
