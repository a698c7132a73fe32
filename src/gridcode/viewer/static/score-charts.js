/** Charts of scores: types, distributions, each score against its own null, p-values. */

import { axis, plain, reference } from "gridcode/axes.js";
import { moduleColour } from "gridcode/colours.js";
import { fixed, known, pText, short } from "gridcode/format.js";

/** Units that are not silent. */
export const active = (units) => units.filter((unit) => !unit.silent);

/** Units by module in the order of their numbers; -1, in none, comes first and lies below. */
export const byModule = (units) =>
  [...Map.groupBy(units, (unit) => unit.module ?? -1)].sort(([a], [b]) => a - b);

/** A trace with a dot for each unit: its numbers `x` and `y`, and `text` that describes it. */
export const unitDots = (rows, { name, x, y, text, marker }) => ({
  x: rows.map((row) => row[x]),
  y: rows.map((row) => row[y]),
  customdata: rows.map((row) => row.unit),
  text: rows.map((row) => `unit ${plain(row.unit)}, ${row.type}<br>${text(row)}`),
  hovertemplate: "%{text}<br>click to open<extra></extra>",
  mode: "markers",
  name: `${name} (${rows.length})`,
  marker,
});

/** How many units have which type. */
export const typeCounts = (types) => ({
  name: "types",
  title: "Types of units",
  height: 66 + 27 * Object.keys(types).length,
  data: [
    {
      type: "bar",
      orientation: "h",
      y: Object.keys(types),
      x: Object.values(types),
      text: Object.values(types).map(String),
      textposition: "outside",
      cliponaxis: false,
      marker: { color: moduleColour(0) },
      hovertemplate: "%{y}: %{x} units<extra></extra>",
    },
  ],
  layout: {
    xaxis: axis("units", { range: [0, 1.12 * Math.max(1, ...Object.values(types))] }),
    yaxis: { autorange: "reversed", showgrid: false, ticks: "" },
    bargap: 0.3,
    dragmode: false,
  },
});

/** Overlaid histograms of numbers of the active units, by key and name. */
const histogram = (units, series, bins) =>
  Object.entries(series).map(([key, name], k) => ({
    type: "histogram",
    x: units.map((unit) => unit[key]).filter(known),
    xbins: bins,
    name,
    opacity: 0.55,
    marker: { color: moduleColour(k) },
    hovertemplate: `${name}: %{y} units<br>%{x}<extra></extra>`,
  }));

/** How many units have which grid score. */
export const scoreHistogram = (units) => ({
  name: "scores",
  title: "Grid scores",
  height: 280,
  data: histogram(
    active(units),
    { grid_score: "hexagonal", corrected: "corrected for shear", square: "square" },
    { start: -2, end: 2, size: 0.1 },
  ),
  layout: {
    barmode: "overlay",
    xaxis: axis("grid score", { range: [-1.55, 2.05], dtick: 0.5, showgrid: false }),
    yaxis: axis("units", { tickformat: ",d" }),
  },
});

/** The hexagonal score of each unit against the score that 95% of its own null maps stay below. */
export function scoresAgainstNull(units, onPoint) {
  const found = active(units).filter((unit) => known(unit.grid_score) && known(unit.grid_score_null_95));
  const above = found.filter((unit) => unit.grid_score > unit.grid_score_null_95).length;
  const nulls = found.map((unit) => unit.grid_score_null_95);
  const ends = [-0.5, Math.max(1, ...nulls, ...found.map((unit) => unit.grid_score)) + 0.1];
  const text = (unit) =>
    `score ${fixed(unit.grid_score)}, 95% of null maps below ${fixed(unit.grid_score_null_95)}` +
    `<br>p = ${pText(unit.grid_score_p_value)}`;
  return {
    name: "scores-against-null",
    title: "Score of each unit against its own null",
    note:
      `${above} of ${found.length} units lie above the dashed line: they score more than 95% of ` +
      "their null maps.",
    height: 310,
    onPoint,
    data: byModule(found).map(([module, rows]) =>
      unitDots(rows, {
        name: module < 0 ? "in no module" : `module ${module}`,
        x: "grid_score_null_95",
        y: "grid_score",
        text,
        marker: { size: 7, color: moduleColour(module), opacity: 0.75 },
      }),
    ),
    layout: {
      xaxis: axis("95% of the unit's null maps score less", {
        range: [Math.min(0, ...nulls), Math.max(0.6, ...nulls) + 0.05],
      }),
      yaxis: axis("hexagonal score", { range: ends }),
      shapes: [reference({ x: ends, y: ends })],
      showlegend: true,
    },
  };
}

/** p-values of the active units, beside the flat line expected without any lattice. */
export function pValues(units, level) {
  const series = {
    grid_score_p_value: "grid score",
    lattice_p_value: "a lattice of any shape",
  };
  const all = active(units);
  const below = Object.entries(series).map(([key, name]) => {
    const found = all.filter((unit) => known(unit[key]) && unit[key] <= level);
    return `${name} ${found.length}`;
  });
  const flat = all.length / 20;
  const text = "expected without any lattice";
  return {
    name: "p-values",
    title: "p-values against each unit's null",
    note: `At most ${short(level)}: ${below.join(", ")} of ${all.length} active units.`,
    height: 280,
    data: histogram(all, series, { start: 0, end: 1.0001, size: 0.05 }),
    layout: {
      barmode: "overlay",
      xaxis: axis("p", { range: [-0.03, 1.03], dtick: 0.2, showgrid: false }),
      yaxis: axis("units", { tickformat: ",d" }),
      shapes: [reference({ y: [flat, flat] })],
      annotations: [{ x: 1, y: flat, xanchor: "right", yanchor: "bottom", text }],
    },
  };
}
