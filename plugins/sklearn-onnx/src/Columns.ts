/**
 * A tabular model's inputs as one row of named columns. skl2onnx makes either one input of all columns, or one input a
 * column; both, and anything between, are a list of columns here.
 */
import type { Datatype, ModelSignature, TensorSpec } from "@sluice/plugin-sdk"
import * as Result from "effect/Result"

export interface Column {
  /** The feature's name; undefined if neither file nor options tell. */
  readonly name: string | undefined
  readonly datatype: Datatype
}

/** An input of the model and the columns it holds, from `start` on. */
export interface ColumnGroup {
  readonly spec: TensorSpec
  readonly start: number
  readonly width: number
}

export interface Columns {
  readonly columns: ReadonlyArray<Column>
  readonly groups: ReadonlyArray<ColumnGroup>
}

const widthOf = (spec: TensorSpec): number | undefined => {
  if (spec.shape.length === 1) return 1
  const width = spec.shape[1]!
  return spec.shape.length === 2 && width > 0 ? width : undefined
}

/**
 * The columns of a signature. `names` are the features' in order; without them an input of one column gives its own
 * name. Fails with a sentence where an input is no column, or the names are not as many as the columns.
 */
export const columnsOf = (
  signature: Pick<ModelSignature, "inputs">,
  names: ReadonlyArray<string> | undefined
): Result.Result<Columns, string> => {
  const columns: Array<Column> = []
  const groups: Array<ColumnGroup> = []
  // A file may leave its only input's width open: the names then tell it
  const open = signature.inputs.length === 1 ? names?.length : undefined
  for (const spec of signature.inputs) {
    const width = widthOf(spec) ?? (spec.shape.length === 2 ? open : undefined)
    if (width === undefined) {
      return Result.fail(
        `input "${spec.name}" [${
          spec.shape.join(", ")
        }] has no fixed number of columns: name the features in "features"`
      )
    }
    const start = columns.length
    groups.push({ spec, start, width })
    for (let i = 0; i < width; i++) {
      columns.push({
        name: names?.[start + i] ?? (width === 1 && signature.inputs.length > 1 ? spec.name : undefined),
        datatype: spec.datatype
      })
    }
  }
  return names !== undefined && names.length !== columns.length
    ? Result.fail(`there are ${names.length} feature names, but the model has ${columns.length} columns`)
    : Result.succeed({ columns, groups })
}
