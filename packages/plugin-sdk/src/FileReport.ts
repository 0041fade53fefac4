/**
 * What a model's file says of itself, read without loading it: for people who look at a file before they serve it.
 */
import type { Precision } from "@sluice/domain/ModelInfo"
import type { Datatype } from "@sluice/domain/Tensor"

/** An input or output. `datatype` is undefined for one that is no tensor, or of a type without an OIP name. */
export interface ReportedValue {
  readonly name: string
  readonly kind: string
  readonly datatype: Datatype | undefined
  /** -1 where a dimension may vary; undefined where the file does not say. */
  readonly shape: ReadonlyArray<number> | undefined
}

export interface FileReport {
  /** As `ONNX`. */
  readonly format: string
  /** The version of the format itself. */
  readonly irVersion: number
  /** What wrote the file, with its version; empty where it does not say. */
  readonly producer: string
  readonly sizeBytes: number
  /** Version by operator domain; the standard operators' is "". */
  readonly opsets: Readonly<Record<string, number>>
  readonly inputs: ReadonlyArray<ReportedValue>
  readonly outputs: ReadonlyArray<ReportedValue>
  /** How often each operator is used, subgraphs and functions included; those of other domains as `domain.Name`. */
  readonly operators: Readonly<Record<string, number>>
  /** Those of them that compute with quantised numbers. */
  readonly quantised: ReadonlyArray<string>
  readonly precision: Precision
  /** Numbers in the file's weights. */
  readonly parameters: number
  /** Numbers in its weights, by datatype as the format names it. */
  readonly weights: Readonly<Record<string, number>>
  /** Files beside it that hold weights, as it names them. */
  readonly externalFiles: ReadonlyArray<string>
}
