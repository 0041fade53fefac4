/**
 * What a registry entry may set for a scikit-learn model.
 */
import * as Schema from "effect/Schema"

/**
 * `labels`: class names in the order of the classes; by model.json, else by the file itself, when left out. `features`:
 * names in the order of the inputs' columns; by model.json, else the inputs' own. `target`: by the outputs when left
 * out. `label_output`, `probabilities_output`: where the outputs' names do not tell.
 */
export const SklearnOptions = Schema.Struct({
  labels: Schema.optionalKey(Schema.NonEmptyArray(Schema.String)),
  features: Schema.optionalKey(Schema.NonEmptyArray(Schema.String).check(Schema.isUnique())),
  target: Schema.optionalKey(Schema.Literals(["classification", "regression"])),
  label_output: Schema.optionalKey(Schema.NonEmptyString),
  probabilities_output: Schema.optionalKey(Schema.NonEmptyString)
}).annotate({ parseOptions: { onExcessProperty: "error" } })
export type SklearnOptions = typeof SklearnOptions.Type
