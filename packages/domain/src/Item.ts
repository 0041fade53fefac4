/**
 * One item of a request, in the natural form of a task: a text (or its token ids), a row of features or a record.
 */
import * as Schema from "effect/Schema"

/** What a tabular field may hold. `null` is refused by models that need every feature. */
export const FeatureValue = Schema.Union([Schema.Finite, Schema.String, Schema.Boolean, Schema.Null])
export type FeatureValue = typeof FeatureValue.Type

export const FeatureRow = Schema.Array(FeatureValue)
export const FeatureRecord = Schema.Record(Schema.String, FeatureValue)

export type Item =
  | { readonly _tag: "Text"; readonly text: string }
  /** A text already cut into ids of the model's own tokenizer, without its special tokens. */
  | { readonly _tag: "Tokens"; readonly ids: ReadonlyArray<number> }
  | { readonly _tag: "Features"; readonly values: ReadonlyArray<FeatureValue> }
  | { readonly _tag: "Record"; readonly fields: Readonly<Record<string, FeatureValue>> }

export type ItemKind = Item["_tag"]
