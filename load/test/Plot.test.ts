import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { linearScale, logarithmicScale } from "../src/report/PlotScale.ts"
import { renderPlot } from "../src/report/SvgPlot.ts"

describe("linearScale", () => {
  it("has round ticks from 0 to at or above the greatest value", () => {
    assert.deepStrictEqual(linearScale([3, 17]).ticks, [0, 5, 10, 15, 20])
    assert.deepStrictEqual(linearScale([0.25]).ticks, [0, 0.05, 0.1, 0.15, 0.2, 0.25])
    assert.deepStrictEqual(linearScale([40_000]).ticks, [0, 10_000, 20_000, 30_000, 40_000])
  })

  it("holds every value, whatever its magnitude", () => {
    const values = fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }).filter((x) => x === 0 || x > 1e-9))
    fc.assert(fc.property(values, (values) => {
      const { place, ticks } = linearScale(values)
      return ticks.length >= 3 && ticks.length <= 7 &&
        values.every((value) => place(value) >= 0 && place(value) <= 1 + 1e-6)
    }))
  })

  it("draws nothing as an empty scale", () => {
    assert.deepStrictEqual(linearScale([]).ticks, [0, 0.5, 1])
    assert.deepStrictEqual(linearScale([NaN, Infinity, 2]).ticks.at(-1), 2)
  })
})

describe("logarithmicScale", () => {
  it("spans whole powers of ten", () => {
    assert.deepStrictEqual(logarithmicScale([0.3, 40]).ticks, [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100])
    assert.deepStrictEqual(logarithmicScale([0.01, 1000]).ticks, [0.01, 0.1, 1, 10, 100, 1000])
    assert.deepStrictEqual(logarithmicScale([1]).ticks, [1, 2, 5, 10])
  })

  it("holds every value above 0, the ends at the ends", () => {
    const values = fc.array(fc.double({ min: 1e-6, max: 1e9, noNaN: true }))
    fc.assert(fc.property(values, (values) => {
      const { place, ticks } = logarithmicScale([...values, 0, NaN])
      return place(ticks[0]!) === 0 && Math.abs(place(ticks.at(-1)!) - 1) < 1e-9 &&
        values.every((value) => place(value) >= -1e-6 && place(value) <= 1 + 1e-6)
    }))
  })
})

describe("renderPlot", () => {
  const plot = { name: "p", title: "a < b & \"c\"", x: "x", y: "y" }

  it("escapes what it is told", () => {
    const svg = renderPlot({ ...plot, series: [] })
    assert.include(svg, "a &lt; b &amp; &quot;c&quot;")
    assert.notInclude(svg, "a < b")
  })

  it("draws a marker for each point that is a number, within the page", () => {
    const svg = renderPlot({ ...plot, series: [{ name: "s", points: [[0, 0], [1, NaN], [10, 100]] }] })
    const markers = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)])
    assert.deepStrictEqual(markers, [[72, 384], [684, 48]])
  })

  it("leaves out what a logarithm has no place for, and gives one subject one colour", () => {
    const svg = renderPlot({
      ...plot,
      logarithmicY: true,
      series: [
        { name: "p50", subject: "s", points: [[1, 0], [2, 1]] },
        { name: "p99", subject: "s", dashed: true, points: [[2, 10]] }
      ]
    })
    const fills = [...svg.matchAll(/<circle [^>]*fill="(#\w+)"/g)].map(([, fill]) => fill)
    assert.lengthOf(fills, 2)
    assert.strictEqual(new Set(fills).size, 1)
  })
})
