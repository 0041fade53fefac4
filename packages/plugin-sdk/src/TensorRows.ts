/**
 * Rows and batches: tensors of one row each stacked into one batch, padded where they differ, and a batch cut into rows.
 */
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { Datatype, Tensor, TensorData, TensorMap } from "@sluice/domain/Tensor"

/** An array of zeros (empty texts for BYTES) of a datatype. */
export const emptyData = (datatype: Datatype, length: number): TensorData => {
  switch (datatype) {
    case "BOOL":
    case "UINT8":
      return new Uint8Array(length)
    case "UINT16":
    case "FP16":
      return new Uint16Array(length)
    case "UINT32":
      return new Uint32Array(length)
    case "UINT64":
      return new BigUint64Array(length)
    case "INT8":
      return new Int8Array(length)
    case "INT16":
      return new Int16Array(length)
    case "INT32":
      return new Int32Array(length)
    case "INT64":
      return new BigInt64Array(length)
    case "FP32":
      return new Float32Array(length)
    case "FP64":
      return new Float64Array(length)
    case "BYTES":
      return Array.from({ length }, () => "")
  }
}

/** How many elements a shape holds. */
export const elementCount = (shape: ReadonlyArray<number>): number => shape.reduce((count, size) => count * size, 1)

/** One row of zeros (empty texts) in a model's input shapes, of size 1 where the signature leaves a size open. */
export const zeroRow = (signature: ModelSignature): TensorMap =>
  Object.fromEntries(
    signature.inputs.map(({ datatype, name, shape }) => {
      const sizes = shape.map((size) => size < 0 ? 1 : size)
      return [name, { datatype, shape: sizes, data: emptyData(datatype, elementCount(sizes)) }]
    })
  )

const isText = (data: TensorData): data is ReadonlyArray<string> => Array.isArray(data)

const fillValue = (data: TensorData, value: number): void => {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data.fill(BigInt(value))
  else if (!isText(data)) data.fill(value)
}

/** Copies `count` elements of `from` at `start` to `to` at `offset`; both have the same datatype. */
const copyElements = (to: TensorData, offset: number, from: TensorData, start: number, count: number): void => {
  if (isText(to)) {
    const target: Array<string> = to as Array<string>
    for (let i = 0; i < count; i++) target[offset + i] = (from as ReadonlyArray<string>)[start + i] ?? ""
  } else if (to instanceof BigInt64Array || to instanceof BigUint64Array) {
    to.set(
      start === 0 && count === from.length
        ? from as BigInt64Array
        : (from as BigInt64Array).subarray(start, start + count),
      offset
    )
  } else {
    to.set(
      start === 0 && count === from.length ? from as Uint8Array : (from as Uint8Array).subarray(start, start + count),
      offset
    )
  }
}

const sameInnerShape = (a: Tensor, b: Tensor): boolean => {
  for (let d = 1; d < a.shape.length; d++) if (a.shape[d] !== b.shape[d]) return false
  return true
}

/** Rows of one inner shape lie one after another, with nothing to fill. */
const concatenate = (rows: ReadonlyArray<Tensor>): Tensor => {
  const { datatype, shape } = rows[0]!
  let batch = 0
  let length = 0
  for (const row of rows) {
    batch += row.shape[0]!
    length += row.data.length
  }
  const data = emptyData(datatype, length)
  let offset = 0
  for (const row of rows) {
    copyElements(data, offset, row.data, 0, row.data.length)
    offset += row.data.length
  }
  return { datatype, shape: [batch, ...shape.slice(1)], data }
}

const stackTensors = (rows: ReadonlyArray<Tensor>, padding: number | undefined): Tensor => {
  const first = rows[0]!
  if (rows.length === 1) return first
  if (rows.every((row) => sameInnerShape(first, row))) return concatenate(rows)
  const rank = first.shape.length
  const batch = rows.reduce((sum, row) => sum + row.shape[0]!, 0)
  const inner = Array.from({ length: rank - 1 }, (_, i) => Math.max(...rows.map((row) => row.shape[i + 1]!)))
  const stride = elementCount(inner)
  const data = emptyData(first.datatype, batch * stride)
  if (padding !== undefined && padding !== 0) fillValue(data, padding)
  let offset = 0
  for (const row of rows) {
    const size = elementCount(row.shape)
    if (size === row.shape[0]! * stride) copyElements(data, offset, row.data, 0, size)
    else copyPadded(data, offset, row, inner)
    offset += row.shape[0]! * stride
  }
  return { datatype: first.datatype, shape: [batch, ...inner], data }
}

/** Copies a tensor into a wider one, run by run along the last dimension. */
const copyPadded = (to: TensorData, base: number, row: Tensor, inner: ReadonlyArray<number>): void => {
  const [, ...own] = row.shape
  const run = own.at(-1) ?? 1
  const runs = elementCount(row.shape) / Math.max(run, 1)
  for (let r = 0; r < runs; r++) {
    let rest = r
    let offset = 0
    let stride = inner.at(-1) ?? 1
    for (let d = own.length - 2; d >= 0; d--) {
      offset += (rest % own[d]!) * stride
      rest = Math.floor(rest / own[d]!)
      stride *= inner[d]!
    }
    copyElements(to, base + rest * stride + offset, row.data, r * run, run)
  }
}

/**
 * Stacks the rows of one batch along the first dimension. Rows of unequal shape are filled up to the longest with the
 * input's padding value; the caller has made sure that only inputs with one differ (see `canStack`).
 */
export const stackRows = (
  rows: ReadonlyArray<TensorMap>,
  padding: Readonly<Record<string, number>> = {}
): TensorMap => {
  if (rows.length === 1) return rows[0]!
  const out: Record<string, Tensor> = {}
  for (const name of Object.keys(rows[0]!)) out[name] = stackTensors(rows.map((row) => row[name]!), padding[name])
  return out
}

/** Whether two rows fit into one batch: the same inputs and datatypes, and unequal sizes only where padding is given. */
export const canStack = (a: TensorMap, b: TensorMap, padding: Readonly<Record<string, number>> = {}): boolean => {
  const names = Object.keys(a)
  if (names.length !== Object.keys(b).length) return false
  return names.every((name) => {
    const x = a[name]!
    const y = b[name]
    return y !== undefined && x.datatype === y.datatype && x.shape.length === y.shape.length &&
      (padding[name] !== undefined || x.shape.every((size, i) => i === 0 || size === y.shape[i]))
  })
}

/** Cuts a batch into rows of first dimension 1, which share its memory where the datatype allows. */
export const splitRows = (batch: TensorMap, count: number): ReadonlyArray<TensorMap> => {
  if (count === 1) return [batch]
  const rows = Array.from({ length: count }, (): Record<string, Tensor> => ({}))
  for (const name of Object.keys(batch)) {
    const { data, datatype, shape } = batch[name]!
    // One shape for all of them, since a batch of many small rows is split thousands of times a second.
    const rowShape = [1, ...shape.slice(1)]
    const stride = elementCount(rowShape)
    for (let i = 0; i < count; i++) {
      const from = i * stride
      rows[i]![name] = {
        datatype,
        shape: rowShape,
        data: isText(data) ? data.slice(from, from + stride) : data.subarray(from, from + stride)
      }
    }
  }
  return rows
}
