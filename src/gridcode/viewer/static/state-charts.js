/** Charts of state space: variance, persistence diagrams with their null, known shapes. */

import { axis, plain, reference } from "gridcode/axes.js";
import { moduleColour, through } from "gridcode/colours.js";
import { count, fixed, known, pText } from "gridcode/format.js";

const FEATURES = ["pieces", "loops", "voids"];
const SYMBOLS = ["square", "circle", "triangle-up"];
const LONGEST = 4;

/** A population in words. */
export const populationName = (row) =>
  Number.isInteger(row.module)
    ? `module ${row.module} (${count(row.n_units, "unit")})`
    : `all ${row.n_units} units`;

/** Betti numbers and whether they are those of a torus: "(1, 2, 1), torus". */
export const bettiText = ({ betti, torus }) =>
  `(${betti.join(", ")}), ${torus ? "torus" : "no torus shown"}`;

const dots = (dimension) => ({
  mode: "markers",
  marker: { symbol: SYMBOLS[dimension], size: 8, color: moduleColour(dimension) },
  opacity: 0.85,
});

/** Variance of states along their principal components. */
export const variance = (row) => ({
  name: `variance-${row.name}`,
  title: `Variance of the states, ${populationName(row)}`,
  note:
    `Dimension (participation ratio) ${fixed(row.dimension, 1)}; ` +
    `${fixed(row.shuffled_dimension, 1)} if the units varied independently.`,
  height: 250,
  data: [
    {
      type: "bar",
      x: row.explained.map((_, k) => k + 1),
      y: row.explained,
      marker: { color: moduleColour(0) },
      hovertemplate: "component %{x}: %{y:.1%} of variance<extra></extra>",
    },
  ],
  layout: {
    xaxis: axis("principal component", { dtick: 1, showgrid: false }),
    yaxis: axis("share of variance", { rangemode: "tozero", tickformat: ".0%" }),
    bargap: 0.35,
  },
});

/** Persistence diagram of a population, with the lifetimes that shuffled states reach. */
export function persistence(row) {
  const end = row.threshold;
  const band = (dimension) => ({
    x: [0, end, end, 0],
    y: [0, end, end + row.null_95[dimension], row.null_95[dimension]],
    mode: "lines",
    line: { width: 0 },
    fill: "toself",
    fillcolor: through(moduleColour(dimension), 0.18),
    name: `null of ${FEATURES[dimension]}`,
    hoverinfo: "skip",
  });
  const features = (dimension) => {
    const bars = row.bars.filter((bar) => bar[0] === dimension);
    return {
      ...dots(dimension),
      x: bars.map((bar) => bar[1]),
      y: bars.map((bar) => bar[2] ?? end),
      name: `${FEATURES[dimension]}: ${row.betti[dimension]}`,
      hovertemplate: `${FEATURES[dimension]}<br>from %{x:.3f} to %{y:.3f}<extra></extra>`,
      cliponaxis: false,
    };
  };
  return {
    name: `persistence-${row.name}`,
    title: `Persistence, ${populationName(row)}: ${bettiText(row)}`,
    note:
      `p of loops ${pText(row.p_value[1])}, of voids ${pText(row.p_value[2])}. Bands: lifetimes ` +
      "that 95% of shuffled states stay below. On the dotted line: still there at the largest " +
      "distance.",
    source: "evaluation/theory.nc",
    height: 380,
    data: [
      ...[1, 2].filter((dimension) => known(row.null_95[dimension])).map(band),
      ...[0, 1, 2].map(features),
    ],
    layout: {
      xaxis: axis("appears at (median distances)", { range: [-0.02, end], showgrid: false }),
      yaxis: axis("vanishes at (median distances)", { range: [0, end * 1.04], showgrid: false }),
      shapes: [
        reference({ x: [0, end], y: [0, end], dash: "solid" }),
        reference({ x: [0, end], y: [end, end], dash: "dot" }),
      ],
    },
  };
}

/** The longest lifetimes of a dimension; features still there live to the threshold. */
function longest({ bars, threshold }, dimension) {
  const mine = bars.filter((bar) => bar[0] === dimension);
  const lives = mine.map((bar) => (bar[2] ?? threshold) - bar[1]);
  return lives.sort((a, b) => b - a).slice(0, LONGEST);
}

/** Longest loops and voids of populations and of known shapes, beside their nulls. */
export function knownShapes({ populations, controls }) {
  const lines = [
    ...populations.map((row) => ({
      name: plain(populationName(row)),
      row,
      said: bettiText(row),
      lives: (dimension) => longest(row, dimension),
    })),
    ...controls.map((row) => ({
      name: `control: ${plain(row.name)}`,
      row,
      said: bettiText(row) + (row.as_expected ? "" : ", <b>not as expected</b>"),
      lives: (dimension) => (row.longest[dimension] ?? []).filter(known),
    })),
  ];
  // Loops lie above the middle of their population's place, voids below it.
  const at = (place, dimension) => place + (dimension === 1 ? -0.17 : 0.17);
  const features = (dimension) => {
    const all = lines.flatMap(({ name, lives }, place) =>
      lives(dimension).map((life) => ({ life, place: at(place, dimension), name })),
    );
    return {
      ...dots(dimension),
      x: all.map(({ life }) => life),
      y: all.map(({ place }) => place),
      text: all.map(({ name }) => name),
      name: FEATURES[dimension],
      hovertemplate: `%{text}<br>${FEATURES[dimension]}: lifetime %{x:.3f}<extra></extra>`,
    };
  };
  const nulls = (dimension) =>
    lines.flatMap(({ row }, place) => {
      const value = row.null_95[dimension];
      const y = [at(place, dimension) - 0.16, at(place, dimension) + 0.16];
      const style = { dash: "solid", color: moduleColour(dimension), width: 2 };
      return known(value) ? [reference({ x: [value, value], y, ...style })] : [];
    });
  return {
    name: "controls",
    title: "Longest loops and voids, with controls of known shape",
    note:
      "The four longest loops (circles) and voids (triangles), in median distances; short lines: " +
      "what 95% of shuffled states stay below.",
    height: 80 + 46 * lines.length,
    data: [1, 2].map(features),
    layout: {
      xaxis: axis("lifetime (in median distances)", { rangemode: "tozero" }),
      yaxis: {
        range: [lines.length - 0.5, -0.5],
        tickvals: lines.map((_, k) => k),
        ticktext: lines.map(({ name, said }) => `${name}<br>${said}`),
        showgrid: false,
        ticks: "",
        ticklabelstandoff: 6,
      },
      shapes: [1, 2].flatMap(nulls),
    },
  };
}
