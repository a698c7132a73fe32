/** Charts of scores: how they are distributed, each against its own null, p-values, types. */

import { counts, histogram, known, median, plain } from "gridcode/axes.js";
import { ink } from "gridcode/chart-colours.js";
import { chart } from "gridcode/chart-frame.js";
import { moduleColour } from "gridcode/colours.js";
import { count, fixed, pText, short } from "gridcode/format.js";
import { axis, through } from "gridcode/plots.js";

const SCORES = [
  ["minmax", "hexagonal"],
  ["corrected", "corrected for shear"],
  ["square", "square"],
];
const RANGE = { low: -1.5, high: 2, bins: 35 };
const P_VALUES = [
  ["p_value", "hexagonal"],
  ["any_lattice_p_value", "a lattice of any shape"],
];
// Bars of p-values: a twentieth each, so that the first holds what a test at 0.05 would let pass.
const P_BINS = 20;
const SUMMARY = "evaluation/summary.json";

/** Units that are not silent. */
export const active = (units) => (units ?? []).filter((unit) => !unit.silent);

/** Steps of a histogram as a trace; the first of several is filled, so that the others do not hide it. */
function steps({ edges, counts: found }, name, k, digits) {
  const width = edges[1] - edges[0];
  const middles = edges.slice(0, -1).map((edge) => edge + width / 2);
  const words = middles.map((_, i) => `${name}: ${count(found[i], "unit")}<br>from ${fixed(edges[i], digits)} to ${fixed(edges[i + 1], digits)}`);
  return {
    x: [middles[0] - width, ...middles, middles.at(-1) + width],
    y: [0, ...found, 0],
    text: ["", ...words, ""],
    hovertemplate: "%{text}<extra></extra>",
    name,
    mode: "lines",
    line: { shape: "hvh", color: ink(k), width: k ? 1.8 : 1 },
    ...(k ? {} : { fill: "tozeroy", fillcolor: through(ink(0), 0.3) }),
  };
}

/** Columns of histograms over the same bins. */
function binColumns(rows, unit) {
  const edges = rows[0][1].edges;
  return [
    [`from (${unit})`, edges.slice(0, -1)],
    [`to (${unit})`, edges.slice(1)],
    ...rows.map(([name, found]) => [`${name} (units)`, found.counts]),
  ];
}

/** How many units have which grid score: hexagonal, corrected for shear, square. */
export async function scoreHistogram(el, units, settings, options) {
  const binned = (data) =>
    SCORES.map(([key, name]) => [
      name,
      histogram(
        active(data).map((unit) => unit[key]),
        RANGE.low,
        RANGE.high,
        RANGE.bins,
      ),
    ]);
  const some = (data, key) => active(data).some((unit) => known(unit[key]));
  return chart(
    el,
    {
      name: "scores",
      title: "Grid scores",
      source: SUMMARY,
      empty: (data) => (SCORES.some(([key]) => some(data, key)) ? "" : "no unit has a score"),
      describe: (data) =>
        `Histogram of the grid scores of ${count(active(data).length, "active unit")}. Medians: ` +
        `${SCORES.map(([key, name]) => `${name} ${fixed(median(active(data).map((unit) => unit[key])))}`).join(", ")}.`,
      height: () => 300,
      figure: (data, look) => {
        const rows = binned(data);
        const most = Math.max(...rows.flatMap(([, found]) => found.counts));
        return {
          data: rows.map(([name, found], k) => steps(found, name, k, 1)),
          layout: {
            xaxis: axis(look, "grid score", { range: [RANGE.low - 0.05, RANGE.high + 0.05], dtick: 0.5, showgrid: false }),
            yaxis: axis(look, "units", counts(most)),
          },
        };
      },
      columns: (data) => binColumns(binned(data), "grid score"),
      about: [`scores beyond ${RANGE.low} and ${RANGE.high} are counted in the outermost bins`],
    },
    units,
    options,
  );
}

/** The hexagonal score of each unit against what 95% of its own null maps stay below; a click calls `onUnit(name)`. */
export async function scoresAgainstNull(el, units, { onUnit, ...options } = {}) {
  const shown = (data) => active(data).filter((unit) => known(unit.minmax) && known(unit.null_95));
  const above = (data) => shown(data).filter((unit) => unit.minmax > unit.null_95).length;
  return chart(
    el,
    {
      name: "scores-against-null",
      title: "Score of each unit against its own null",
      source: SUMMARY,
      empty: (data) => (shown(data).length ? "" : "no unit has a score with a null"),
      describe: (data) =>
        `Hexagonal score of ${count(shown(data).length, "unit")} against the 95th percentile of the unit's own null maps; ${above(data)} lie above it.`,
      note: () => "Above the dashed line a unit scores more than 95% of its own null maps.",
      height: () => 340,
      figure: (data, look) => {
        const found = shown(data);
        const values = found.flatMap((unit) => [unit.minmax, unit.null_95]);
        const ends = [Math.min(-0.5, ...values), Math.max(1, ...values)];
        const nulls = found.map((unit) => unit.null_95);
        const line = {
          x: ends,
          y: ends,
          mode: "lines",
          line: { color: look.faint, width: 1, dash: "dash" },
          hoverinfo: "skip",
          name: "as high as 95% of the null",
          showlegend: true,
        };
        const room = (low, high) => [low - 0.06 * (high - low), high + 0.06 * (high - low)];
        return {
          data: [
            line,
            ...byModule(found).map(([module, rows]) => ({
              x: rows.map((unit) => unit.null_95),
              y: rows.map((unit) => unit.minmax),
              customdata: rows.map((unit) => unit.unit),
              text: rows.map(
                (unit) =>
                  `unit ${plain(unit.unit)}, ${plain(unit.type)}<br>score ${fixed(unit.minmax)}, 95% of null below ${fixed(unit.null_95)}<br>p = ${pText(unit.p_value)}`,
              ),
              hovertemplate: "%{text}<extra></extra>",
              mode: "markers",
              name: `${module < 0 ? "in no module" : `module ${module}`} (${rows.length})`,
              marker: { size: 7, color: moduleColour(module), opacity: 0.75, line: { width: 0 } },
            })),
          ],
          layout: {
            xaxis: axis(look, "95% of the unit's null maps score less", { range: room(Math.min(0, ...nulls), Math.max(0.6, ...nulls)) }),
            yaxis: axis(look, "hexagonal score", { range: room(...ends) }),
          },
        };
      },
      columns: (data) => {
        const found = shown(data);
        return [
          ["unit", found.map((u) => u.unit)],
          ["module", found.map((u) => u.module)],
          ["null_95", found.map((u) => u.null_95)],
          ["minmax", found.map((u) => u.minmax)],
          ["p_value", found.map((u) => u.p_value)],
        ];
      },
      click: onUnit && ((point) => onUnit(point.customdata)),
    },
    units,
    options,
  );
}

/** Units by module, in the order of their numbers, those in none first so that they lie below. */
export function byModule(units) {
  const found = new Map();
  for (const unit of units) {
    const module = unit.module ?? -1;
    found.set(module, [...(found.get(module) ?? []), unit]);
  }
  return [...found].sort(([a], [b]) => a - b);
}

/** p-values of all active units, beside what would be there if nothing were there. */
export async function pValues(el, units, settings, options) {
  const level = settings?.level ?? settings?.significance ?? 0.01;
  const binned = (data) =>
    P_VALUES.map(([key, name]) => [
      name,
      histogram(
        active(data).map((unit) => unit[key]),
        0,
        1,
        P_BINS,
      ),
    ]);
  const below = (data, key) => active(data).filter((unit) => known(unit[key]) && unit[key] <= level).length;
  return chart(
    el,
    {
      name: "p-values",
      title: "p-values against each unit's null",
      source: SUMMARY,
      empty: (data) => (active(data).some((unit) => P_VALUES.some(([key]) => known(unit[key]))) ? "" : "no unit has a p-value"),
      describe: (data) =>
        `Histogram of the p-values of ${count(active(data).length, "active unit")}. At or below ${short(level)}: ` +
        `${P_VALUES.map(([key, name]) => `${name} ${below(data, key)}`).join(", ")}.`,
      note: (data) =>
        `At or below ${short(level)} (thin line): ${P_VALUES.map(([key, name]) => `${name} ${below(data, key)}`).join(", ")} of ${count(active(data).length, "active unit")}.`,
      height: () => 300,
      figure: (data, look) => {
        const rows = binned(data);
        const flat = active(data).length / P_BINS;
        const most = Math.max(flat, ...rows.flatMap(([, found]) => found.counts));
        const line = (more) => ({ type: "line", line: { color: look.faint, width: 1 }, ...more });
        return {
          data: rows.map(([name, found], k) => steps(found, name, k, 2)),
          layout: {
            xaxis: axis(look, "p", { range: [-0.03, 1.03], dtick: 0.2, showgrid: false }),
            yaxis: axis(look, "units", counts(most)),
            shapes: [
              line({ x0: 0, x1: 1, y0: flat, y1: flat, line: { color: look.faint, width: 1, dash: "dash" } }),
              line({ x0: level, x1: level, y0: 0, y1: 1, yref: "paper" }),
            ],
            annotations: [
              {
                x: 1,
                y: flat,
                xanchor: "right",
                yanchor: "bottom",
                text: "if nothing were there",
                showarrow: false,
                font: { size: 11, color: look.faint },
              },
            ],
          },
        };
      },
      columns: (data) => binColumns(binned(data), "p"),
      about: [`if nothing were there each bin would hold a ${P_BINS}th of the active units`],
    },
    units,
    options,
  );
}

/** How many units are of which type. */
export async function typeCounts(el, types, options) {
  const all = (data) => Object.values(data).reduce((sum, n) => sum + n, 0);
  return chart(
    el,
    {
      name: "types",
      title: "Types of units",
      source: SUMMARY,
      empty: (data) => (all(data) ? "" : "no units"),
      describe: (data) =>
        `Types of ${count(all(data), "unit")}: ${Object.entries(data)
          .filter(([, n]) => n)
          .map(([name, n]) => `${n} ${name}`)
          .join(", ")}.`,
      height: (data) => 76 + 27 * Object.keys(data).length,
      figure: (data, look) => {
        const names = Object.keys(data);
        const found = Object.values(data);
        return {
          data: [
            {
              type: "bar",
              orientation: "h",
              y: names.map(plain),
              x: found,
              text: found.map(String),
              textposition: "outside",
              cliponaxis: false,
              marker: { color: ink(0) },
              textfont: { color: look.ink },
              hovertemplate: "%{y}: %{x} units<extra></extra>",
            },
          ],
          layout: {
            xaxis: axis(look, "units", { ...counts(Math.max(...found)), range: [0, Math.max(1, ...found) * 1.12] }),
            yaxis: axis(look, "", {
              autorange: "reversed",
              showgrid: false,
              ticks: "",
              tickfont: { size: 12, color: look.ink },
              ticklabelstandoff: 6,
            }),
            showlegend: false,
            bargap: 0.3,
            dragmode: false,
          },
        };
      },
      columns: (data) => [
        ["type", Object.keys(data)],
        ["units", Object.values(data)],
      ],
    },
    types ?? {},
    options,
  );
}
