/** Charts of state space: variance, persistence diagrams with their null, controls. */

import { known, plain } from "gridcode/axes.js";
import { ink } from "gridcode/chart-colours.js";
import { chart } from "gridcode/chart-frame.js";
import { count, fixed, pText } from "gridcode/format.js";
import { axis, readable, through } from "gridcode/plots.js";

const THEORY = "evaluation/theory.nc";
const DIMENSIONS = ["pieces", "loops", "voids"];
const MARKERS = ["square", "circle", "triangle-up"];
const LONGEST = 4;

/** A population in words. */
export function populationName(row) {
  if (!row) return "no units";
  return Number.isInteger(row.module) ? `module ${row.module} (${count(row.n_units, "unit")})` : `all ${row.n_units} units`;
}

/** Betti numbers as a tuple. */
export const bettiText = (betti) => `(${betti.join(", ")})`;

/** Whether a torus was shown, in words. */
export const verdict = (row) => (row.torus ? "torus" : "torus not shown");

/** Variance of states along their principal components. */
export async function variance(el, population, options) {
  return chart(
    el,
    {
      name: "variance",
      title: (row) => `Variance of the states, ${populationName(row)}`,
      source: "evaluation/summary.json",
      empty: (row) => (row?.explained?.some(known) ? "" : "not measured"),
      describe: (row) =>
        `Share of variance by principal component: ${row.explained
          .slice(0, 6)
          .map((v) => fixed(v))
          .join(", ")} for the first ${Math.min(6, row.explained.length)}. ` +
        `Dimension ${fixed(row.dimension, 1)}, of shuffled units ${fixed(row.shuffled_dimension, 1)}.`,
      note: (row) =>
        `Dimension (participation ratio) ${fixed(row.dimension, 1)}; ${fixed(row.shuffled_dimension, 1)} if the units varied independently.`,
      height: () => 260,
      figure: (row, look) => ({
        data: [
          {
            type: "bar",
            x: row.explained.map((_, k) => k + 1),
            y: row.explained,
            marker: { color: ink(0) },
            hovertemplate: "component %{x}: %{y:.1%} of variance<extra></extra>",
          },
        ],
        layout: {
          xaxis: axis(look, "principal component", { dtick: 1, showgrid: false, range: [0.4, row.explained.length + 0.6] }),
          yaxis: axis(look, "share of variance", { rangemode: "tozero", tickformat: ".0%" }),
          bargap: 0.35,
        },
      }),
      columns: (row) => [
        ["principal component", row.explained.map((_, k) => k + 1)],
        ["share of variance", row.explained],
      ],
    },
    population,
    options,
  );
}

/** Persistence diagram of a population beside what shuffled states reach. */
export async function persistence(el, population, options) {
  const of = (row, dimension) => row.bars.filter((bar) => bar[0] === dimension);
  return chart(
    el,
    {
      name: "persistence",
      title: (row) => `Persistence, ${populationName(row)}${row?.betti ? `: ${bettiText(row.betti)}, ${verdict(row)}` : ""}`,
      source: THEORY,
      empty: (row) => (row?.bars?.length ? "" : "topology was not measured"),
      describe: (row) =>
        `Persistence diagram of ${populationName(row)}. Betti numbers ${row.betti.join(", ")}: ${verdict(row)}. ` +
        `p of the loops ${pText(row.p_value[1])}, of the voids ${pText(row.p_value[2])} against shuffled states and shorter bars.`,
      note: (row) =>
        `p of loops ${pText(row.p_value[1])}, of voids ${pText(row.p_value[2])}. Bands: lifetimes that 95% of shuffled states stay below. On the dotted line: still there at the largest distance.`,
      height: (_, width) => Math.min(430, Math.max(320, width * 0.95)),
      figure: (row, look) => {
        const end = row.threshold;
        const band = (dimension) => ({
          x: [0, end, end, 0],
          y: [0, end, end + row.null_95[dimension], row.null_95[dimension]],
          mode: "lines",
          line: { width: 0 },
          fill: "toself",
          fillcolor: through(ink(dimension), look.dark ? 0.24 : 0.13),
          name: `null of ${DIMENSIONS[dimension]}`,
          hoverinfo: "skip",
        });
        const dots = (dimension) => ({
          x: of(row, dimension).map((bar) => bar[1]),
          y: of(row, dimension).map((bar) => bar[2] ?? end),
          mode: "markers",
          name: `${DIMENSIONS[dimension]}: ${row.betti[dimension]}`,
          text: of(row, dimension).map(
            (bar) => `appears at ${fixed(bar[1], 3)}, ${bar[2] === null ? `still there at ${fixed(end)}` : `vanishes at ${fixed(bar[2], 3)}`}`,
          ),
          hovertemplate: `${DIMENSIONS[dimension]}<br>%{text}<extra></extra>`,
          marker: { symbol: MARKERS[dimension], size: 8, color: ink(dimension), opacity: 0.85 },
          cliponaxis: false,
        });
        const line = (more, style) => ({ type: "line", x0: 0, x1: end, y0: 0, y1: end, line: { color: look.faint, width: 1, ...style }, ...more });
        return {
          data: [1, 2]
            .filter((d) => known(row.null_95[d]))
            .map(band)
            .concat([0, 1, 2].map(dots)),
          layout: {
            xaxis: axis(look, "appears at distance (over the median)", { range: [-0.02, end], showgrid: false }),
            yaxis: axis(look, "vanishes at distance (over the median)", { range: [0, end * 1.04], showgrid: false }),
            shapes: [line({}, {}), line({ y0: end }, { dash: "dot" })],
          },
        };
      },
      columns: (row) => [
        ["dimension", row.bars.map((bar) => bar[0])],
        ["birth (over median distance)", row.bars.map((bar) => bar[1])],
        ["death (over median distance)", row.bars.map((bar) => bar[2])],
      ],
      about: ["dimension 0 pieces, 1 loops, 2 voids; no death: still there at the largest distance"],
    },
    population,
    options,
  );
}

/** The longest lifetimes of a dimension; what has not vanished lives to the threshold. */
function longest(population, dimension) {
  const lives = population.bars.filter((bar) => bar[0] === dimension).map((bar) => (bar[2] ?? population.threshold) - bar[1]);
  return lives.sort((a, b) => b - a).slice(0, LONGEST);
}

/** Longest loops and voids of populations and of controls of known shape, beside their nulls. */
export async function controls(el, states, options) {
  const lines = (data) => [
    ...data.populations
      .filter((row) => row.bars?.length)
      .map((row) => ({ name: populationName(row), row, lives: [1, 2].map((d) => longest(row, d)) })),
    ...data.controls.map((row) => ({
      name: `control: ${row.name}`,
      row,
      lives: [1, 2].map((d) => (row.longest[d] ?? []).filter(known)),
      wrong: !row.as_expected,
    })),
  ];
  const said = ({ row, wrong }) => `${bettiText(row.betti)} ${row.torus ? "torus" : "no torus shown"}${wrong ? ", not as expected" : ""}`;
  return chart(
    el,
    {
      name: "controls",
      title: "Longest loops and voids, with controls of known shape",
      source: "evaluation/summary.json",
      empty: (data) => (data && lines(data).length ? "" : "topology was not measured"),
      describe: (data) =>
        `Lifetimes of the longest loops and voids. ${lines(data)
          .map((line) => `${line.name}: ${said(line)}`)
          .join("; ")}.`,
      note: () => "The four longest loops (circles) and voids (triangles); short lines: what 95% of shuffled states stay below.",
      height: (data) => 90 + 46 * lines(data).length,
      figure: (data, look, width) => {
        const list = lines(data);
        const trace = (dimension) => ({
          mode: "markers",
          name: DIMENSIONS[dimension],
          marker: { symbol: MARKERS[dimension], size: 8, color: ink(dimension), opacity: 0.85 },
          hovertemplate: `%{text}<br>${DIMENSIONS[dimension]}: lifetime %{x:.3f}<extra></extra>`,
          x: [],
          y: [],
          text: [],
        });
        const traces = [1, 2].map(trace);
        const shapes = [];
        list.forEach(({ name, row, lives }, place) => {
          [1, 2].forEach((dimension, k) => {
            const at = place + (k ? 0.17 : -0.17);
            lives[k].forEach((life) =>
              [
                ["x", life],
                ["y", at],
                ["text", plain(name)],
              ].forEach(([key, value]) => traces[k][key].push(value)),
            );
            const null95 = row.null_95[dimension];
            if (known(null95))
              shapes.push({ type: "line", x0: null95, x1: null95, y0: at - 0.16, y1: at + 0.16, line: { color: ink(dimension), width: 2 } });
          });
        });
        const most = Math.max(0.1, ...traces.flatMap((one) => one.x), ...shapes.map((shape) => shape.x0));
        const small = width < 480;
        return {
          data: traces,
          layout: {
            xaxis: axis(look, "lifetime (in median distances)", { range: [-0.02 * most, 1.06 * most] }),
            yaxis: axis(look, "", {
              range: [list.length - 0.5, -0.5],
              tickvals: list.map((_, k) => k),
              showgrid: false,
              ticks: "",
              ticklabelstandoff: 6,
              tickfont: { size: small ? 10 : 11, color: look.ink },
              ticktext: list.map(
                (line) => `${plain(line.name)}<br><span style="color:${line.wrong ? readable(ink(1), look) : look.faint}">${said(line)}</span>`,
              ),
            }),
            shapes,
          },
        };
      },
      columns: (data) => {
        const rows = lines(data).flatMap(({ name, row, lives }) =>
          lives.flatMap((all, k) => all.map((life, rank) => [name, DIMENSIONS[k + 1], rank + 1, life, row.null_95[k + 1], row.torus])),
        );
        return ["states", "feature", "rank", "lifetime (over median distance)", "95% of shuffles below", "torus shown"].map((name, k) => [
          name,
          rows.map((row) => row[k]),
        ]);
      },
    },
    states,
    options,
  );
}
