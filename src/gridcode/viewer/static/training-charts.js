/** Training curves of one run, or of several in one picture. */

import { axis, curve, plain } from "gridcode/axes.js";
import { moduleColour } from "gridcode/colours.js";
import { known } from "gridcode/format.js";

const NAMES = [
  ...["loss", "separation", "invariance", "capacity", "isometry"],
  ...["loss_1", "loss_2", "loss_3", "loss_4", "loss_5", "loss_6"],
  ...["gradient_norm", "learning_rate", "silent_units", "steps_per_second"],
];
const LOGARITHMIC = ["separation", "invariance", "isometry", "gradient_norm", "learning_rate"];

const UNSEEN = ["step", "zero_states"];

/** Loss, its terms and more against the step, from runs {name, metrics}, for a width. */
export const trainingCurves = (runs) => (width) => {
  const several = runs.length > 1;
  const has = (name) => runs.some(({ metrics }) => metrics?.[name]?.some(known));
  // What other models log comes last.
  const logged = runs.flatMap(({ metrics }) => Object.keys(metrics ?? {}));
  const names = [...new Set([...NAMES, ...logged])].filter(
    (name) => !UNSEEN.includes(name) && has(name),
  );
  const columns = Math.max(1, Math.min(4, Math.floor(width / 280)));
  const rows = Math.max(1, Math.ceil(names.length / columns));
  const layout = {
    grid: { rows, columns, pattern: "independent", xgap: 0.3, ygap: 0.4 },
    showlegend: several,
  };
  const number = (k) => (k ? k + 1 : ""); // as Plotly numbers axes
  names.forEach((name, k) => {
    const type = LOGARITHMIC.includes(name) ? "log" : "linear";
    const step = { showgrid: false, nticks: 4, tickformat: "~s", rangemode: "tozero" };
    const value = { type, nticks: 5, rangemode: name === "silent_units" ? "tozero" : "normal" };
    layout[`xaxis${number(k)}`] = axis("step", { ...step, automargin: false });
    layout[`yaxis${number(k)}`] = axis(name.replaceAll("_", " "), { ...value, automargin: false });
  });
  const data = names.flatMap((name, k) =>
    runs.map(({ name: run, metrics }, r) =>
      curve(metrics?.step ?? [], metrics?.[name] ?? [], {
        color: moduleColour(several ? r : 0),
        dash: ["solid", "dash", "dot"][Math.floor(r / 6) % 3], // colours repeat after six
        name: plain(several ? run : name),
        xaxis: `x${number(k)}`,
        yaxis: `y${number(k)}`,
        legendgroup: run,
        showlegend: k === 0,
        hovertemplate: "step %{x:,}: %{y:.3~g}",
      }),
    ),
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
