/**
 * How far apart two versions' answers to one item are, and whether they agree: pure.
 */
import type { Prediction } from "@sluice/domain/Prediction"
import type { Tensor, TensorMap } from "@sluice/domain/Tensor"

/** One version's answer: its raw outputs and, for natural items, what they mean. `InferredItem` is one. */
export interface ComparedOutput {
  readonly outputs: TensorMap
  readonly prediction: Prediction | undefined
}

export interface OutputDistance {
  readonly agrees: boolean
  /** The largest difference of two numbers; null where there are no numbers to compare. */
  readonly maxAbs: number | null
  /** Of all numbers as one vector; null where there are fewer than two, or one is not finite. */
  readonly cosine: number | null
}

/**
 * Numbers agree within this share of the larger one; in a tensor, of its largest one, since a value near 0 has no digits of
 * its own to hold to.
 */
export const numberTolerance = 1e-3
/** Embeddings agree from this cosine on. */
export const embeddingCosine = 0.99

/** Adds up what distances are made of, over any number of vectors. */
class VectorDistance {
  #count = 0
  #dot = 0
  #squaresA = 0
  #squaresB = 0
  #maxAbs = 0
  #isFinite = true

  /** The difference of the two; Infinity where they differ by no finite number. */
  add(a: number, b: number): number {
    this.#count++
    const difference = a === b || (Number.isNaN(a) && Number.isNaN(b)) ? 0 : Math.abs(a - b)
    if (Number.isFinite(a) && Number.isFinite(b)) {
      this.#dot += a * b
      this.#squaresA += a * a
      this.#squaresB += b * b
    } else {
      this.#isFinite = false
    }
    if (!Number.isFinite(difference)) return Infinity
    if (difference > this.#maxAbs) this.#maxAbs = difference
    return difference
  }

  /** All of two vectors of one length, and their largest difference. An embedding takes a microsecond this way. */
  addAll(a: ArrayLike<number>, b: ArrayLike<number>): number {
    let dot = 0
    let squaresA = 0
    let squaresB = 0
    let largest = 0
    for (let i = 0; i < a.length; i++) {
      const x = a[i]!
      const y = b[i]!
      dot += x * y
      squaresA += x * x
      squaresB += y * y
      const difference = Math.abs(x - y)
      if (difference > largest) largest = difference
    }
    if (!Number.isFinite(dot + squaresA + squaresB)) return this.#addEach(a, b)
    this.#count += a.length
    this.#dot += dot
    this.#squaresA += squaresA
    this.#squaresB += squaresB
    if (largest > this.#maxAbs) this.#maxAbs = largest
    return largest
  }

  /** One by one, where some are not finite or too large to be squared. */
  #addEach(a: ArrayLike<number>, b: ArrayLike<number>): number {
    let largest = 0
    for (let i = 0; i < a.length; i++) largest = Math.max(largest, this.add(a[i]!, b[i]!))
    return largest
  }

  get maxAbs(): number | null {
    return this.#count === 0 ? null : this.#maxAbs
  }

  get cosine(): number | null {
    if (this.#count < 2 || !this.#isFinite) return null
    const lengths = Math.sqrt(this.#squaresA) * Math.sqrt(this.#squaresB)
    if (lengths === 0) return this.#squaresA === this.#squaresB ? 1 : 0
    return Number.isFinite(lengths) ? Math.max(-1, Math.min(1, this.#dot / lengths)) : null
  }

  result(agrees: boolean): OutputDistance {
    return { agrees, maxAbs: this.maxAbs, cosine: this.cosine }
  }
}

const agreeAsNumbers = (difference: number, a: number, b: number): boolean =>
  difference <= numberTolerance * Math.max(Math.abs(a), Math.abs(b))

const compareEmbeddings = (a: ArrayLike<number>, b: ArrayLike<number>): OutputDistance => {
  const distance = new VectorDistance()
  if (a.length !== b.length) return distance.result(false)
  const isEqual = distance.addAll(a, b) === 0
  const { cosine } = distance
  return distance.result(isEqual || (cosine !== null && cosine >= embeddingCosine))
}

/** The numbers of a tensor; undefined for texts. */
const numbersOf = ({ data, datatype }: Tensor): ArrayLike<number> | undefined => {
  if (!ArrayBuffer.isView(data)) return undefined
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Array.from(data, Number)
  return datatype === "FP16" ? new Float16Array(data.buffer, data.byteOffset, data.length) : data
}

/** The largest magnitude that is finite. */
const magnitudeOf = (numbers: ArrayLike<number>): number => {
  let largest = 0
  for (let i = 0; i < numbers.length; i++) {
    const magnitude = Math.abs(numbers[i]!)
    if (magnitude > largest && magnitude !== Infinity) largest = magnitude
  }
  return largest
}

const isFloat = ({ datatype }: Tensor): boolean => datatype.startsWith("FP")

/** Whole numbers and texts name something, as classes and tokens do: those agree when they are equal. */
const tensorsAgree = (a: Tensor, b: Tensor, distance: VectorDistance): boolean => {
  if (a.data.length !== b.data.length) return false
  const ofA = numbersOf(a)
  const ofB = numbersOf(b)
  if (ofA === undefined || ofB === undefined) {
    for (let i = 0; i < a.data.length; i++) if (a.data[i] !== b.data[i]) return false
    return true
  }
  const difference = distance.addAll(ofA, ofB)
  if (difference === 0 || !isFloat(a) || !isFloat(b)) return difference === 0
  return difference <= numberTolerance * Math.max(magnitudeOf(ofA), magnitudeOf(ofB))
}

const compareTensors = (a: TensorMap, b: TensorMap): OutputDistance => {
  const distance = new VectorDistance()
  const names = Object.keys(a).sort()
  let agrees = names.length === Object.keys(b).length
  for (const name of names) {
    const other = b[name]
    if (other === undefined || !tensorsAgree(a[name]!, other, distance)) agrees = false
  }
  return distance.result(agrees)
}

/** A class agrees when it is equal; how far apart the two are is told by the probabilities. */
const compareClasses = (a: Prediction, b: Prediction): OutputDistance => {
  const distance = new VectorDistance()
  if (a.probabilities !== undefined && b.probabilities !== undefined) {
    for (const [name, probability] of Object.entries(a.probabilities)) {
      distance.add(probability, b.probabilities[name] ?? 0)
    }
  }
  return distance.result(a.prediction === b.prediction)
}

const compareNumbers = (a: number, b: number): OutputDistance => {
  const distance = new VectorDistance()
  const difference = distance.add(a, b)
  return distance.result(agreeAsNumbers(difference, a, b))
}

/** Compares what the answers mean, where both say so in one form, else their raw outputs. */
export const compareOutputs = (ofDefault: ComparedOutput, ofTarget: ComparedOutput): OutputDistance => {
  const a = ofDefault.prediction
  const b = ofTarget.prediction
  if (a?.embedding !== undefined && b?.embedding !== undefined) return compareEmbeddings(a.embedding, b.embedding)
  if (a?.prediction !== undefined && b?.prediction !== undefined) {
    const areClasses = a.probabilities !== undefined || b.probabilities !== undefined
    return !areClasses && typeof a.prediction === "number" && typeof b.prediction === "number"
      ? compareNumbers(a.prediction, b.prediction)
      : compareClasses(a, b)
  }
  return compareTensors(ofDefault.outputs, ofTarget.outputs)
}
