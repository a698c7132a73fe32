/** A unit's scores on one scale: how far each is from what its null maps reach. */

import { svg } from "gridcode/dom.js";
import { fixed, known, pText } from "gridcode/format.js";

const WIDTH = 500;
const LEFT = 104;
const RIGHT = 84;
const ROW = 34;

/** The chart, from the row of the unit and the colour of its module. */
export function nullChart(row, colour) {
  const scores = [
    { name: "hexagonal", value: row.grid_score, p: row.grid_score_p_value, null95: row.grid_score_null_95 },
    { name: "corrected", value: row.corrected },
    { name: "square", value: row.square },
  ].filter(({ value }) => known(value));
  const values = scores.map(({ value }) => value);
  const [low, high] = [Math.min(-1, ...values), Math.max(1.5, ...values)];
  const x = (value) => LEFT + ((value - low) / (high - low)) * (WIDTH - LEFT - RIGHT);
  const bottom = scores.length * ROW + 4;
  const vertical = (value, y1, y2, kind) =>
    svg("line", { x1: x(value), x2: x(value), y1, y2, class: kind });
  const text = (at, y, content, more = {}) =>
    svg("text", { x: at, y, "dominant-baseline": "middle", ...more }, content);
  const words = scores.map(
    ({ name, value, p }) => `${name} score ${fixed(value)}` + (known(p) ? `, p = ${pText(p)}` : ""),
  );
  return svg(
    "svg.null-chart",
    { viewBox: `0 0 ${WIDTH} ${bottom + 22}`, role: "img", "aria-label": words.join("; ") },
    [-1, -0.5, 0, 0.5, 1, 1.5].map((tick) => [
      vertical(tick, 2, bottom, tick === 0 ? "axis" : "grid"),
      text(x(tick), bottom + 12, fixed(tick, 1), { class: "tick", "text-anchor": "middle" }),
    ]),
    scores.map(({ name, value, p, null95 }, k) => {
      const y = 4 + (k + 0.5) * ROW;
      const end = { "text-anchor": "end" };
      return [
        known(null95) && [
          svg("rect", { x: LEFT, y: y - 8, width: x(null95) - LEFT, height: 16, class: "band" }),
          vertical(null95, y - 10, y + 10, "edge"),
        ],
        text(0, y, name),
        svg("line", { x1: x(0), x2: x(value), y1: y, y2: y, stroke: colour, "stroke-width": 2 }),
        svg("circle", { cx: x(value), cy: y, r: 5.5, fill: colour }),
        text(WIDTH, y - 6, fixed(value), { class: "value", ...end }),
        known(p) && text(WIDTH, y + 8, `p = ${pText(p)}`, { class: "tick", ...end }),
      ];
    }),
  );
}
