import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { linearScale } from "../src/report/PlotScale.ts"
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
    assert.deepStrictEqual(markers, [[72, 384], [696, 48]])
  })
})
