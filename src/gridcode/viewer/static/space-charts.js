/** Charts of space: distances of states, invariance to the path, errors of path integration. */

import { axis, curve, plain } from "gridcode/axes.js";
import { moduleColour, shades, through } from "gridcode/colours.js";
import { fixed, known, short, whole } from "gridcode/format.js";

const EXTENT = "1× is the square that training covers.";
const DISTANCE = "distance of places (m)";

/** A walk and an arena in words, such as "smooth, 1.5×". */
const condition = (row) => `${row.walk}, ${short(row.arena_over_training)}×`;

/** Names and colours of conditions: blues for the arenas of the first walk, others for others. */
function styles(rows) {
  const first = rows.filter((row) => row.walk === rows[0].walk);
  const blues = shades(first.length);
  const others = rows.filter((row) => !first.includes(row));
  return rows.map((row) => {
    const blue = blues[first.indexOf(row)];
    return { name: condition(row), color: blue ?? moduleColour(1 + (others.indexOf(row) % 5)) };
  });
}

/** Neural against physical distance in the first condition, with its spread and expectations. */
export function distanceCurve([row], { sigma_x_m: sigma, predicted_plateau: predicted }) {
  const { distance_m: x, mean, sd, quartiles } = row.curve;
  const side = (sign) => mean.map((m, k) => (known(m) && known(sd[k]) ? m + sign * sd[k] : null));
  const end = x.findLast(known);
  const top = 1.05 * Math.max(predicted ?? 0, ...side(1));
  const color = moduleColour(0);
  const edge = { width: 0, hoverinfo: "skip", showlegend: false };
  const band = { fill: "tonexty", fillcolor: through(color, 0.18) };
  const { plateau, decorrelation_m: decorrelation } = row;
  const level = (y, name, k, dash) =>
    known(y) && curve([0, end], [y, y], { name, color: moduleColour(k), dash });
  const place = (at, name, k) =>
    known(at) && curve([at, at], [0, top], { name, color: moduleColour(k) });
  return {
    name: "neural-distance",
    title: `Neural against physical distance (${condition(row)})`,
    note:
      "Length of the difference of two states; those of a self-supervised network have length 1. " +
      "Line: mean of pairs of " +
      `states; band: standard deviation; dots: median. ${EXTENT}`,
    height: 310,
    data: [
      curve(x, side(-1), { name: "mean − s.d.", ...edge }),
      curve(x, side(1), { name: "mean + s.d.", ...edge, ...band }),
      curve(x, mean, {
        color,
        name: "mean",
        text: x.map((_, k) => `quartiles ${quartiles.map((q) => fixed(q[k])).join(", ")}`),
        hovertemplate: "%{x:.2f} m: mean %{y:.2f}<br>%{text}<extra></extra>",
      }),
      curve(x, quartiles[1], { color, dash: "dot", name: "median", hoverinfo: "skip" }),
      level(plateau, `plateau ${fixed(plateau)}`, 0, "dashdot"),
      level(predicted, `predicted plateau ${fixed(predicted)}`, 1, "dash"),
      place(decorrelation, `decorrelation ${fixed(decorrelation)} m`, 2),
      place(sigma, `σ<sub>x</sub> ${fixed(sigma)} m`, 3),
    ].filter(Boolean),
    layout: {
      xaxis: axis(DISTANCE, { range: [0, end], showgrid: false }),
      yaxis: axis("neural distance", { range: [0, top] }),
    },
  };
}

/** Mean neural against physical distance in every condition. */
export const distanceAllConditions = (space) => ({
  name: "neural-distance-conditions",
  title: "Neural distance in every condition",
  note: `Walk and size of the arena; ${EXTENT}`,
  height: 290,
  data: styles(space).map((style, k) =>
    curve(space[k].curve.distance_m, space[k].curve.mean, {
      ...style,
      hovertemplate: "%{x:.2f} m: %{y:.2f}",
    }),
  ),
  layout: {
    xaxis: axis(DISTANCE, { rangemode: "tozero", showgrid: false }),
    yaxis: axis("neural distance", { rangemode: "tozero" }),
  },
});

/** Difference of states at one place reached by different paths, over that of unrelated places. */
export const invariance = (space) => ({
  name: "path-invariance",
  title: "Same place by different paths",
  note: "0 is perfect, 1 is chance. Velocities in shuffled order end at exactly the same place.",
  height: 290,
  data: styles(space).map((style, k) => {
    const [steps, fractions] = ["steps", "fraction"].map((key) =>
      space[k].invariance.map((each) => each[key]),
    );
    const hovertemplate = "%{x} steps: %{y:.2g} of chance";
    return curve(steps, fractions, { ...style, mode: "lines+markers", hovertemplate });
  }),
  layout: {
    xaxis: axis("length of the paths (steps)", { type: "log" }),
    yaxis: axis("squared difference over chance", { type: "log" }),
  },
});

/** Error of the decoded position of each line {name, row, color}, beside dead reckoning. */
function errorFigure(lines) {
  const reckoned = { width: 1.1, dash: "dash", opacity: 0.85, hoverinfo: "skip" };
  const text = ({ steps, tracked_m: errors, lost_share: lost }) => {
    const [low, middle, high] = errors.map((value) => short(value, 2));
    const gone = lost ? `, ${fixed(100 * lost, 0)}% lost` : "";
    return `${whole(steps)} steps: ${middle} m (quartiles ${low} to ${high})${gone}`;
  };
  const traces = lines.flatMap(({ name, row: { decoding }, color, symbol }) => {
    const [steps, errors, dead] = [
      decoding.map((each) => each.steps),
      decoding.map((each) => each.tracked_m[1]),
      decoding.map((each) => each.dead_reckoning_m[1]),
    ];
    const dots = { mode: "lines+markers", marker: { symbol }, text: decoding.map(text) };
    return [
      curve(steps, errors, { color, name, ...dots, hovertemplate: "%{text}" }),
      curve(steps, dead, {
        color,
        name: `${name}, dead reckoning`,
        showlegend: false,
        ...reckoned,
      }),
    ];
  });
  const key = { color: moduleColour(null), name: "dead reckoning", ...reckoned };
  return {
    data: [...traces, curve([null], [null], key)],
    layout: {
      xaxis: axis("steps without correction", { type: "log", dtick: 1 }),
      yaxis: axis("median position error (m)", { type: "log" }),
    },
  };
}

const ERROR_NOTE =
  "Median error of the position decoded from the state, followed at every step. Dashed: " +
  "independent errors of each step, as large as the network's own over steps 1 to 10.";

/** Errors of path integration in every condition. */
export const pathError = (space) => ({
  name: "path-integration",
  title: "Path integration: error of the decoded position",
  note: ERROR_NOTE,
  height: 310,
  ...errorFigure(styles(space).map((style, k) => ({ ...style, row: space[k] }))),
});

/** Errors of path integration of runs {name, space} in the first condition of the first run. */
export function comparePathError(runs) {
  const [first] = runs[0].space;
  const same = (row) => condition(row) === condition(first);
  const lines = runs.map(({ name, space }, k) => ({
    name: plain(name),
    row: space.find(same),
    color: moduleColour(k),
    symbol: ["circle", "square", "diamond"][Math.floor(k / 6) % 3], // colours repeat after six
  }));
  const missing = runs.filter((_, k) => !lines[k].row).map(({ name }) => name);
  return {
    name: "path-integration-compared",
    title: `Path integration (${condition(first)})`,
    note: ERROR_NOTE + (missing.length ? ` Not measured here: ${missing.join(", ")}.` : ""),
    height: 330,
    ...errorFigure(lines.filter(({ row }) => row)),
  };
}
