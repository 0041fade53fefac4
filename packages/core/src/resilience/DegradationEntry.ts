/**
 * What a model's entry says of what answers where its version cannot.
 */
import type { Prediction } from "@sluice/domain/Prediction"

export type Remedy =
  | { readonly kind: "fallback"; readonly model: string; readonly version: string | undefined }
  | { readonly kind: "default"; readonly prediction: Prediction }

export type Fallback = Extract<Remedy, { readonly kind: "fallback" }>

export interface DegradationEntry {
  /** Whether the cache may give what is past its time where the version cannot answer. */
  readonly stale: boolean
  /** In the order in which they are tried. */
  readonly remedies: ReadonlyArray<Remedy>
}
