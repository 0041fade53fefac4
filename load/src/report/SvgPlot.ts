/**
 * A plot as an SVG document: lines with markers over axes, and a legend. No script, no font from elsewhere.
 */
import type { Plot } from "./Outcome.ts"
import { linearScale, logarithmicScale } from "./PlotScale.ts"

const width = 840
const height = 440
const margin = { top: 48, right: 156, bottom: 56, left: 72 }
const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom }

/** Okabe and Ito's palette, which people who see colours differently can tell apart. */
const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\"", "&quot;")

const round = (value: number): string => String(Math.round(value * 10) / 10)

export const renderPlot = ({ logarithmicY = false, series, title, x, y }: Plot): string => {
  const finite = series.map((each) => ({
    ...each,
    subject: each.subject ?? each.name,
    points: each.points.filter(([px, py]) => Number.isFinite(px) && Number.isFinite(py) && (!logarithmicY || py > 0))
  }))
  const subjects = [...new Set(finite.map(({ subject }) => subject))]
  const all = finite.flatMap(({ points }) => points)
  const across = linearScale(all.map(([px]) => px))
  const up = (logarithmicY ? logarithmicScale : linearScale)(all.map(([, py]) => py))
  const left = (value: number): number => margin.left + across.place(value) * inner.width
  const top = (value: number): number => margin.top + (1 - up.place(value)) * inner.height
  const right = margin.left + inner.width
  const bottom = margin.top + inner.height

  const grid = [
    ...across.ticks.map((tick) => {
      const at = round(left(tick))
      return `<line x1="${at}" y1="${margin.top}" x2="${at}" y2="${bottom}" class="grid"/>` +
        `<text x="${at}" y="${bottom + 18}" text-anchor="middle">${tick}</text>`
    }),
    ...up.ticks.map((tick) => {
      const at = round(top(tick))
      return `<line x1="${margin.left}" y1="${at}" x2="${right}" y2="${at}" class="grid"/>` +
        `<text x="${margin.left - 8}" y="${Number(at) + 4}" text-anchor="end">${tick}</text>`
    })
  ]
  const lines = finite.map(({ dashed = false, name, points, subject }, i) => {
    const colour = colours[subjects.indexOf(subject) % colours.length]
    const stroke = `stroke="${colour}" class="line"${dashed ? " stroke-dasharray=\"6 4\"" : ""}`
    const places = points.map(([px, py]) => [round(left(px)), round(top(py))] as const)
    const legend = margin.top + 16 + i * 18
    return [
      `<polyline points="${places.map((place) => place.join(",")).join(" ")}" ${stroke}/>`,
      ...places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`),
      `<line x1="${right + 12}" y1="${legend - 4}" x2="${right + 36}" y2="${legend - 4}" ${stroke}/>`,
      `<text x="${right + 42}" y="${legend}">${escape(name)}</text>`
    ].join("")
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    "<style>text{font:12px system-ui,sans-serif;fill:#333}.title{font-size:15px;font-weight:600}",
    ".grid{stroke:#ddd}.line{fill:none;stroke-width:2}</style>",
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${margin.left}" y="26" class="title">${escape(title)}</text>`,
    ...grid,
    `<text x="${margin.left + inner.width / 2}" y="${height - 14}" text-anchor="middle">${escape(x)}</text>`,
    `<text transform="translate(18 ${margin.top + inner.height / 2}) rotate(-90)" text-anchor="middle">${
      escape(y)
    }</text>`,
    ...lines,
    "</svg>",
    ""
  ].join("\n")
}
