/** Charts of path integration: how long a network knows where it is, of one run in every condition and of several runs in one. */

import { known, logarithmic, plain, positive } from "gridcode/axes.js";
import { grey, ink } from "gridcode/chart-colours.js";
import { chart } from "gridcode/chart-frame.js";
import { fixed, short, whole } from "gridcode/format.js";
import { axis } from "gridcode/plots.js";
import { colours, condition, dotted, legendRoom, longColumns, SUMMARY, unmeasured } from "gridcode/space-charts.js";

// Colours come again after six runs.
const SYMBOLS = ["circle", "square", "diamond"];
const reckoned = (color) => ({ mode: "lines", line: { color, width: 1.1, dash: "dash" }, opacity: 0.85, showlegend: false, hoverinfo: "skip" });
const reckoning = () => ({
  x: [null],
  y: [null],
  mode: "lines",
  line: { color: grey(), width: 1.3, dash: "dash" },
  name: "dead reckoning",
  hoverinfo: "skip",
});

/** Two traces, tracked error and dead reckoning, of one row under a name. */
function errorTraces(row, name, color, symbol = "circle") {
  const x = row.decoding.map((d) => d.steps);
  const words = row.decoding.map((d) => {
    const [low, middle, high] = d.tracked_m.map((v) => short(v, 2));
    const lost = d.lost_share ? `<br>${fixed(100 * d.lost_share, 0)}% of walkers lost` : "";
    return `${name}<br>${whole(d.steps)} steps: ${middle} m (quartiles ${low} to ${high})<br>dead reckoning ${short(d.dead_reckoning_m[1], 2)} m${lost}`;
  });
  return [
    { x, y: row.decoding.map((d) => positive(d.tracked_m[1])), text: words, hovertemplate: "%{text}<extra></extra>", name, ...dotted(color, 6, symbol) },
    { x, y: row.decoding.map((d) => positive(d.dead_reckoning_m[1])), ...reckoned(color) },
  ];
}

const errorValues = (rows) => rows.flatMap((row) => row.decoding.flatMap((d) => [positive(d.tracked_m[1]), positive(d.dead_reckoning_m[1])]));

function errorAxes(rows, look, width) {
  return {
    xaxis: axis(
      look,
      "steps without correction",
      logarithmic(
        rows.flatMap((row) => row.decoding.map((d) => d.steps)),
        { most: width < 520 ? 5 : 9 },
      ),
    ),
    yaxis: axis(look, "median error of place (m)", logarithmic(errorValues(rows))),
  };
}

const errorColumns = (row) =>
  row.decoding.map((d) => ({
    steps: d.steps,
    ...quartiles("tracked", d.tracked_m),
    ...quartiles("dead_reckoning", d.dead_reckoning_m),
    lost_share: d.lost_share,
  }));
const quartiles = (name, [low, middle, high]) => ({ [`${name} 25% (m)`]: low, [`${name} median (m)`]: middle, [`${name} 75% (m)`]: high });
const ERROR_NOTE =
  "Median error of the place read from the state, followed at every step. Dashed: independent errors of each step, as large as the network's own over steps 1 to 10.";

/** Path integration: error of the place read from the state, beside dead reckoning with as much noise. */
export async function pathError(el, space, options) {
  const last = (row) => row.decoding.at(-1);
  return chart(
    el,
    {
      name: "path-integration",
      title: "Path integration: error of the place read from the state",
      source: SUMMARY,
      empty: (rows) => (rows?.length && errorValues(rows).some(known) ? "" : unmeasured(rows)),
      describe: (rows) =>
        `Median error of the place read from the state against steps without correction. ` +
        `${rows
          .filter(last)
          .map(
            (row) =>
              `${condition(row)}: ${short(last(row).tracked_m[1], 2)} m after ${whole(last(row).steps)} steps, dead reckoning ${short(last(row).dead_reckoning_m[1], 2)} m`,
          )
          .join("; ")}.`,
      note: () => ERROR_NOTE,
      height: (rows, width) => 320 + legendRoom(rows.length + 2, width),
      figure: (rows, look, width) => ({
        data: [...rows.flatMap((row, k) => errorTraces(row, condition(row), colours(rows, look)[k])), reckoning()],
        layout: errorAxes(rows, look, width),
      }),
      columns: (rows) => longColumns(rows, errorColumns),
    },
    space,
    options,
  );
}

/**
 * Path integration of several runs in the same condition, that of the first run's first row.
 * @param {HTMLElement} el
 * @param {{name: string, space: object[]|null}[]} runs
 */
export async function comparePathError(el, runs, options) {
  const chosen = (found) => {
    const wanted = found.find((run) => run.space?.length)?.space[0];
    const same = (row) => row.walk === wanted.walk && row.arena_over_training === wanted.arena_over_training;
    return wanted ? found.map((run, k) => ({ run, k, row: run.space?.find(same) })).filter(({ row }) => row?.decoding?.length) : [];
  };
  const last = ({ row }) => row.decoding.at(-1);
  const without = (found) => found.filter((run) => !chosen(found).some((one) => one.run === run)).map((run) => run.name);
  return chart(
    el,
    {
      name: "path-integration-compared",
      source: SUMMARY,
      title: (found) => `Path integration${chosen(found).length ? ` (${condition(chosen(found)[0].row)})` : ""}`,
      empty: (found) => (errorValues(chosen(found).map(({ row }) => row)).some(known) ? "" : "no run has a measured path integration"),
      describe: (found) =>
        `Median error of the place read from the state against steps without correction. ` +
        `${chosen(found)
          .map((one) => `${one.run.name}: ${short(last(one).tracked_m[1], 2)} m after ${whole(last(one).steps)} steps`)
          .join("; ")}.`,
      note: (found) => `${ERROR_NOTE}${without(found).length ? ` Not measured in this condition: ${without(found).join(", ")}.` : ""}`,
      height: (found, width) => 330 + legendRoom(found.length + 2, width),
      figure: (found, look, width) => ({
        data: [...chosen(found).flatMap(({ run, k, row }) => errorTraces(row, plain(run.name), ink(k), SYMBOLS[Math.floor(k / 6) % 3])), reckoning()],
        layout: errorAxes(
          chosen(found).map(({ row }) => row),
          look,
          width,
        ),
      }),
      columns: (found) => {
        const rows = chosen(found).flatMap(({ run, row }) => errorColumns(row).map((values) => ({ run: run.name, ...values })));
        return Object.keys(rows[0] ?? {}).map((name) => [name, rows.map((row) => row[name])]);
      },
    },
    runs,
    options,
  );
}
