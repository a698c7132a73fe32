/** Charts of space: how far apart a code keeps places, and whether the way there matters. */

import { known, logarithmic, positive } from "gridcode/axes.js";
import { ink, shades } from "gridcode/chart-colours.js";
import { chart } from "gridcode/chart-frame.js";
import { fixed, short, whole } from "gridcode/format.js";
import { axis, through } from "gridcode/plots.js";

export const SUMMARY = "evaluation/summary.json";
export const unmeasured = (rows) => (rows?.length ? "could not be measured" : "was not measured in this evaluation");
const NEURAL = "neural distance";
const EXTENT = "1× is the square that training covers.";

/** A walk and an arena in words, such as "smooth, 1.5×". */
export const condition = (row) => `${row.walk}, ${short(row.arena_over_training)}×`;

/** Arenas of the first walk from strong to pale; another colour for each further walk. */
export function colours(rows, look) {
  const first = rows[0].walk;
  const blues = shades(rows.filter((row) => row.walk === first).length, look.dark);
  let others = 0;
  return rows.map((row) => (row.walk === first ? blues.shift() : ink(1 + (others++ % 5))));
}

/** Numbers of each condition below one another, for a table. */
export function longColumns(rows, parts) {
  const lines = rows.flatMap((row) => parts(row).map((values) => [row, values]));
  return [
    ["walk", lines.map(([row]) => row.walk)],
    ["arena_m", lines.map(([row]) => row.arena_m)],
    ["arena_over_training", lines.map(([row]) => row.arena_over_training)],
    ...Object.keys(lines[0]?.[1] ?? {}).map((name) => [name, lines.map(([, values]) => values[name])]),
  ];
}

/** Highest legend that many entries need, as the chart grows by it on narrow pages. */
export const legendRoom = (entries, width) => 20 * Math.ceil((entries * 112) / Math.max(200, width - 80));

/**
 * Neural against physical distance in the first condition, with its spread.
 * @param {HTMLElement} el
 * @param {object[]} space rows of the summary
 * @param {{sigma_x_m?: number, predicted_plateau?: number}} [known_] drawn where known
 */
export async function distanceCurve(el, space, { sigma_x_m: sigma, predicted_plateau: predicted, ...options } = {}) {
  const curveOf = (rows) => rows?.[0]?.curve;
  const marks = (row, look) =>
    [
      [row.plateau, "y", ink(0), "dashdot", `plateau ${fixed(row.plateau)}`],
      [predicted, "y", ink(1), "dash", `predicted plateau ${fixed(predicted)}`],
      [row.decorrelation_m, "x", ink(2), "solid", `decorrelation ${fixed(row.decorrelation_m)} m`],
      [sigma, "x", ink(3), "solid", `σ<sub>x</sub> ${fixed(sigma)} m`],
    ].filter(([value]) => known(value));
  return chart(
    el,
    {
      name: "neural-distance",
      source: SUMMARY,
      title: (rows) => `Neural against physical distance${rows?.[0] ? ` (${condition(rows[0])})` : ""}`,
      empty: (rows) => (curveOf(rows)?.mean.some(known) ? "" : unmeasured(rows)),
      describe: ([row]) =>
        `Mean neural distance of states against the distance of their places, ${row.walk} walk: plateau ${fixed(row.plateau)}` +
        `${known(predicted) ? `, predicted ${fixed(predicted)}` : ""}, decorrelation length ${fixed(row.decorrelation_m)} m, at the same place ${fixed(row.same_place)}.`,
      note: () =>
        `Length of the difference of two states, which have length 1. Line: mean of pairs of states; band: standard deviation; dots: median. ${EXTENT}`,
      height: (_, width) => 330 + (width < 520 ? 80 : 0),
      figure: ([row], look) => {
        const { distance_m: x, mean, sd, quartiles } = row.curve;
        const end = x.filter(known).at(-1);
        const most = Math.max(predicted ?? 0, ...mean.map((m, k) => (known(m) ? m + (sd[k] ?? 0) : 0))) * 1.05;
        const text = x.map(
          (d, k) =>
            `${fixed(d)} m apart<br>mean ${fixed(mean[k])}, standard deviation ${fixed(sd[k])}<br>quartiles ${quartiles.map((q) => fixed(q[k])).join(", ")}${row.curve.pairs ? `<br>${whole(row.curve.pairs[k])} pairs` : ""}`,
        );
        const side = (sign) => mean.map((m, k) => (known(m) && known(sd[k]) ? m + sign * sd[k] : null));
        return {
          data: [
            ...bands(x, side(-1), side(1), ink(0)),
            { x, y: mean, text, mode: "lines", line: { color: ink(0), width: 2 }, name: "mean ± s.d.", hovertemplate: "%{text}<extra></extra>" },
            { x, y: quartiles[1], mode: "lines", line: { color: ink(0), width: 1.4, dash: "dot" }, name: "median", hoverinfo: "skip" },
            ...marks(row, look).map(([value, way, color, dash, name]) => ({
              x: way === "y" ? [0, end] : [value, value],
              y: way === "y" ? [value, value] : [0, most],
              mode: "lines",
              line: { color, width: 1.3, dash },
              name,
              hoverinfo: "skip",
            })),
          ],
          layout: {
            xaxis: axis(look, "distance of places (m)", { range: [0, end], showgrid: false }),
            yaxis: axis(look, NEURAL, { range: [0, most] }),
          },
        };
      },
      columns: ([row]) => {
        const { curve } = row;
        return [
          ["distance_m", curve.distance_m],
          ["mean", curve.mean],
          ["sd", curve.sd],
          ...curve.quartiles.map((q, k) => [`quartile ${25 * (k + 1)}%`, q]),
          ...(curve.pairs ? [["pairs", curve.pairs]] : []),
        ];
      },
      about: [
        "neural distance: length of the difference of two states, which have length 1",
        `sigma_x_m ${sigma ?? "unknown"}, predicted plateau ${predicted ?? "unknown"}`,
      ],
    },
    space,
    options,
  );
}

/** Filled bands between two curves, one for each stretch without a gap. */
function bands(x, low, high, color) {
  const stretches = [];
  x.forEach((value, k) => {
    if (!known(value) || !known(low[k]) || !known(high[k])) return void stretches.push([]);
    if (!stretches.length) stretches.push([]);
    stretches.at(-1).push(k);
  });
  return stretches
    .filter((ks) => ks.length > 1)
    .map((ks) => ({
      x: [...ks.map((k) => x[k]), ...ks.toReversed().map((k) => x[k])],
      y: [...ks.map((k) => high[k]), ...ks.toReversed().map((k) => low[k])],
      mode: "lines",
      line: { width: 0 },
      fill: "toself",
      fillcolor: through(color, 0.18),
      hoverinfo: "skip",
      showlegend: false,
    }));
}

/** Mean neural against physical distance in every condition. */
export async function distanceAllConditions(el, space, options) {
  return chart(
    el,
    {
      name: "neural-distance-conditions",
      title: "Neural distance in every condition",
      source: SUMMARY,
      empty: (rows) => (rows?.some((row) => row.curve?.mean.some(known)) ? "" : unmeasured(rows)),
      describe: (rows) =>
        `Mean neural against physical distance. Plateaus: ${rows.map((row) => `${condition(row)} ${fixed(row.plateau)}`).join("; ")}.`,
      note: () => `Walk and size of the arena; ${EXTENT}`,
      height: (rows, width) => 310 + legendRoom(rows.length, width),
      figure: (rows, look) => {
        const most = Math.max(...rows.flatMap((row) => row.curve.mean.filter(known)));
        return {
          data: rows.map((row, k) => ({
            x: row.curve.distance_m,
            y: row.curve.mean,
            mode: "lines",
            line: { color: colours(rows, look)[k], width: 1.7 },
            name: condition(row),
            hovertemplate: `${condition(row)}<br>%{x:.2f} m apart: %{y:.2f}<extra></extra>`,
          })),
          layout: {
            xaxis: axis(look, "distance of places (m)", { rangemode: "tozero", showgrid: false }),
            yaxis: axis(look, NEURAL, { range: [0, most * 1.06] }),
          },
        };
      },
      columns: (rows) => longColumns(rows, ({ curve }) => curve.distance_m.map((d, k) => ({ distance_m: d, mean: curve.mean[k], sd: curve.sd[k] }))),
    },
    space,
    options,
  );
}

/** Difference of states at the same place, reached by different paths, over that of unrelated places. */
export async function invariance(el, space, options) {
  const values = (rows) => rows.flatMap((row) => row.invariance.map((i) => positive(i.fraction)));
  const longest = (row) => row.invariance.at(-1);
  return chart(
    el,
    {
      name: "path-invariance",
      title: "Same place by different paths",
      source: SUMMARY,
      empty: (rows) => (rows?.length && values(rows).some(known) ? "" : unmeasured(rows)),
      describe: (rows) =>
        `Squared difference of states that reached one place by different paths, over that of unrelated places, against the length of the paths. ` +
        `${rows.map((row) => `${condition(row)}: ${short(longest(row)?.fraction, 2)} after ${longest(row)?.steps} steps`).join("; ")}.`,
      note: () => "0 is perfect, 1 is chance. Velocities in shuffled order end at exactly the same place.",
      height: (rows, width) => 310 + legendRoom(rows.length, width),
      figure: (rows, look) => ({
        data: rows.map((row, k) => ({
          x: row.invariance.map((i) => i.steps),
          y: row.invariance.map((i) => positive(i.fraction)),
          name: condition(row),
          ...dotted(colours(rows, look)[k]),
          hovertemplate: `${condition(row)}<br>%{x} steps: %{y:.2g} of chance<extra></extra>`,
        })),
        layout: {
          xaxis: axis(look, "length of the paths (steps)", logarithmic(rows.flatMap((row) => row.invariance.map((i) => i.steps)))),
          yaxis: axis(look, "squared difference over chance", logarithmic(values(rows))),
        },
      }),
      columns: (rows) => longColumns(rows, (row) => row.invariance),
      about: ["square: mean squared difference of states; fraction: over that of places 0.5 m apart or more (0 perfect, 1 chance)"],
    },
    space,
    options,
  );
}

export const dotted = (color, size = 6, symbol = "circle") => ({ mode: "lines+markers", line: { color, width: 1.7 }, marker: { color, size, symbol } });
