/** A unit's scores on one scale: how far the hexagonal one is from what its null maps reach. */

import { svg } from "gridcode/dom.js";
import { fixed, pText } from "gridcode/format.js";

const LEFT = 104;
const RIGHT = 84;
const ROW = 34;
const TICKS = [-1, -0.5, 0, 0.5, 1, 1.5];

/**
 * The chart.
 * @param {Object} row of the unit
 * @param {string} colour of its module
 * @param {number} [width] CSS pixels
 * @returns {SVGElement}
 */
export function nullChart(row, colour, width = 460) {
  const scores = [
    { name: "hexagonal", value: row.grid_score, p: row.p_value, null95: row.null_95 },
    { name: "corrected", value: row.corrected, p: row.lattice_p_value },
    { name: "square", value: row.square, p: row.square_p_value },
  ].filter(({ value }) => Number.isFinite(value));
  const low = Math.min(-1, ...scores.map(({ value }) => value));
  const high = Math.max(1.5, ...scores.map(({ value }) => value));
  const x = (value) => LEFT + ((value - low) / (high - low)) * (width - LEFT - RIGHT);
  const height = scores.length * ROW + 26;
  const bottom = scores.length * ROW + 4;
  const text = (at, y, content, attributes = {}) => svg("text", { x: at, y, "dominant-baseline": "middle", ...attributes }, content);
  return svg(
    "svg",
    { class: "null-chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": inWords(scores) },
    TICKS.filter((tick) => tick >= low && tick <= high).flatMap((tick) => [
      svg("line", { x1: x(tick), x2: x(tick), y1: 2, y2: bottom, class: tick === 0 ? "axis" : "grid" }),
      text(x(tick), bottom + 12, fixed(tick, 1), { class: "tick", "text-anchor": "middle" }),
    ]),
    scores.flatMap(({ name, value, p, null95 }, k) => {
      const y = 4 + (k + 0.5) * ROW;
      const band = Number.isFinite(null95)
        ? [
            svg("rect", { x: x(low), y: y - 8, width: Math.max(0, x(null95) - x(low)), height: 16, class: "band" }),
            svg("line", { x1: x(null95), x2: x(null95), y1: y - 10, y2: y + 10, class: "edge" }),
          ]
        : [];
      return [
        ...band,
        text(0, y, name, { class: "row" }),
        svg("line", { x1: x(0), x2: x(value), y1: y, y2: y, class: "stem", style: { stroke: colour } }),
        svg("circle", { cx: x(value), cy: y, r: 5.5, style: { fill: colour } }),
        text(width, y, fixed(value), { class: "value", "text-anchor": "end", dy: Number.isFinite(p) ? -6 : 0 }),
        Number.isFinite(p) ? text(width, y, `p = ${pText(p)}`, { class: "tick", "text-anchor": "end", dy: 8 }) : null,
      ];
    }),
  );
}

function inWords(scores) {
  const sentence = ({ name, value, p, null95 }) =>
    [
      `${name} score ${fixed(value)}`,
      Number.isFinite(null95) ? `95% of null maps below ${fixed(null95)}` : "",
      Number.isFinite(p) ? `p = ${pText(p)}` : "",
    ]
      .filter(Boolean)
      .join(", ");
  return scores.map(sentence).join("; ");
}
