/**
 * Whether tensors are those that a signature names. Plugins check their inputs by it, the host and the conformance
 * suite what a plugin returns.
 */
import type { TensorSpec } from "@sluice/domain/ModelSignature"
import type { Tensor, TensorMap } from "@sluice/domain/Tensor"
import { elementCount } from "./TensorRows.ts"

const form = (datatype: string, shape: ReadonlyArray<number>): string => `${datatype} [${shape.join(", ")}]`

const quoted = (names: ReadonlyArray<string>): string => names.map((name) => `"${name}"`).join(", ")

const fits = (spec: TensorSpec, tensor: Tensor): boolean =>
  tensor.datatype === spec.datatype && tensor.shape.length === spec.shape.length &&
  spec.shape.every((size, i) => size === -1 || size === tensor.shape[i])

/**
 * What is wrong with `tensors` as a model's inputs or outputs, as a sentence that names the tensor, what was expected
 * (a dimension of -1 may have any size) and what was given; undefined if nothing is.
 */
export const signatureMismatch = (
  role: "input" | "output",
  specs: ReadonlyArray<TensorSpec>,
  tensors: TensorMap
): string | undefined => {
  for (const spec of specs) {
    const tensor = Object.hasOwn(tensors, spec.name) ? tensors[spec.name] : undefined
    if (tensor === undefined) return `${role} "${spec.name}" is missing`
    if (!fits(spec, tensor)) {
      return `${role} "${spec.name}": expected ${form(spec.datatype, spec.shape)}, got ${
        form(tensor.datatype, tensor.shape)
      }`
    }
    const count = elementCount(tensor.shape)
    if (tensor.data.length !== count) {
      return `${role} "${spec.name}": shape [${
        tensor.shape.join(", ")
      }] holds ${count} elements, got ${tensor.data.length}`
    }
  }
  const names = Object.keys(tensors)
  if (names.length === specs.length) return undefined
  const known = specs.map((spec) => spec.name)
  const unknown = names.filter((name) => !known.includes(name))
  return `no ${role} is named ${quoted(unknown)}: the model has ${quoted(known)}`
}
