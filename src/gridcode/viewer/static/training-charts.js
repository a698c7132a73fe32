/** Training curves of one run, or of several in one picture. */

import { axis, curve, plain } from "gridcode/axes.js";
import { moduleColour } from "gridcode/colours.js";
import { known } from "gridcode/format.js";

const NAMES = [
  ...["loss", "separation", "invariance", "capacity", "isometry"],
  ...["loss_1", "loss_2", "loss_3", "loss_4", "loss_5", "loss_6"],
  ...["gradient_norm", "learning_rate", "silent_units", "steps_per_second"],
];
const FROM_ZERO = ["silent_units", "units_above"];
const LOGARITHMIC = ["separation", "invariance", "isometry", "gradient_norm", "learning_rate"];

const UNSEEN = ["step", "zero_states"];
const ABOVE = "units_above";
const MOST_IN_LEGEND = 20; // of more runs only the pointer tells the names

/**
 * Loss, its terms and more against the step, for a width, from runs {name, metrics, above}: `above`
 * is how many units score above a threshold in the maps over training, which have other steps.
 */
export const trainingCurves = (runs) => (width) => {
  const several = runs.length > 1;
  const series = ({ metrics, above }, name) =>
    name === ABOVE
      ? { x: above?.step ?? [], y: above?.units_above ?? [] }
      : { x: metrics?.step ?? [], y: metrics?.[name] ?? [] };
  const has = (name) => runs.some((run) => series(run, name).y.some(known));
  const threshold = runs.find(({ above }) => above)?.above.threshold;
  const title = (name) =>
    name === ABOVE ? `units, score > ${threshold}` : name.replaceAll("_", " ");
  // What other models log comes last.
  const logged = runs.flatMap(({ metrics }) => Object.keys(metrics ?? {}));
  const names = [...new Set(["loss", ABOVE, ...NAMES, ...logged])].filter(
    (name) => !UNSEEN.includes(name) && has(name),
  );
  const columns = Math.max(1, Math.min(4, Math.floor(width / 280)));
  const rows = Math.max(1, Math.ceil(names.length / columns));
  const layout = {
    grid: { rows, columns, pattern: "independent", xgap: 0.3, ygap: 0.4 },
    showlegend: several && runs.length <= MOST_IN_LEGEND,
  };
  const number = (k) => (k ? k + 1 : ""); // as Plotly numbers axes
  names.forEach((name, k) => {
    const type = LOGARITHMIC.includes(name) ? "log" : "linear";
    const step = { showgrid: false, nticks: 4, tickformat: "~s", rangemode: "tozero" };
    const value = { type, nticks: 5, rangemode: FROM_ZERO.includes(name) ? "tozero" : "normal" };
    layout[`xaxis${number(k)}`] = axis("step", { ...step, automargin: false });
    layout[`yaxis${number(k)}`] = axis(title(name), { ...value, automargin: false });
  });
  const data = names.flatMap((name, k) =>
    runs.map((each, r) => {
      const { x, y } = series(each, name);
      return curve(x, y, {
        color: moduleColour(several ? r : 0),
        dash: ["solid", "dash", "dot"][Math.floor(r / 6) % 3], // colours repeat after six
        name: plain(several ? each.name : title(name)),
        xaxis: `x${number(k)}`,
        yaxis: `y${number(k)}`,
        mode: name === ABOVE ? "lines+markers" : "lines", // some runs have one point
        marker: { size: 4 },
        legendgroup: `${r}`,
        showlegend: k === 0,
        hovertemplate: "step %{x:,}: %{y:.3~g}",
      });
    }),
  );
  return {
    name: "training",
    title: "Training",
    note: "Logarithmic axes leave out values of 0 or less.",
    source: "metrics.jsonl",
    height: 50 + 190 * rows,
    data,
    layout,
  };
};
