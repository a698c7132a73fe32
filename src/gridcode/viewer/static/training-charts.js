/** Training curves of one run or of several laid over one another. */

import { counts, known, logarithmic, panels, panelTitle, plain, positive } from "gridcode/axes.js";
import { dash, ink } from "gridcode/chart-colours.js";
import { chart } from "gridcode/chart-frame.js";
import { short, whole } from "gridcode/format.js";
import { axis, readable } from "gridcode/plots.js";

// Curves with more steps are thinned to the lowest and highest value of each stretch.
const MOST_POINTS = 1500;
const PANELS = [
  { names: ["loss"], unit: "loss" },
  { names: ["separation", "invariance"], unit: "loss term", log: true },
  { names: ["capacity"], unit: "loss term" },
  { names: ["isometry"], unit: "loss term", log: true },
  { names: ["loss_1", "loss_2", "loss_3", "loss_4", "loss_5", "loss_6"], unit: "loss of a population" },
  { names: ["gradient_norm"], unit: "norm", log: true },
  { names: ["learning_rate"], unit: "step size", log: true },
  { names: ["silent_units"], unit: "units", whole: true },
  { names: ["steps_per_second"], unit: "steps per second", fromZero: true },
];
const words = (name) => name.replaceAll("_", " ");

/** Panels that any run has numbers for; two terms share one only where there is one run, whose colours are those of the terms. */
function shown(runs) {
  const has = (name) => runs.some((run) => run.metrics?.[name]?.some(known));
  return PANELS.flatMap((panel) => (runs.length > 1 ? panel.names.map((name) => ({ ...panel, names: [name] })) : [panel]))
    .map((panel) => ({ ...panel, names: panel.names.filter(has) }))
    .filter((panel) => panel.names.length);
}

/** Steps and values with the lowest and highest of each stretch, so that no peak is lost; gaps stay gaps. */
function thinned(x, y) {
  if (x.length <= MOST_POINTS) return [x, y];
  const stretch = Math.ceil((2 * x.length) / MOST_POINTS);
  const kept = new Set([0, x.length - 1]);
  for (let from = 0; from < x.length; from += stretch) {
    let low = null;
    let high = null;
    for (let k = from; k < Math.min(x.length, from + stretch); k += 1) {
      if (!known(y[k])) continue;
      if (low === null || y[k] < y[low]) low = k;
      if (high === null || y[k] > y[high]) high = k;
    }
    for (const k of low === null ? [from] : [low, high]) kept.add(k);
  }
  const at = [...kept].sort((a, b) => a - b);
  return [at.map((k) => x[k]), at.map((k) => y[k])];
}

/**
 * Loss, its terms, gradient norm and silent units against the step.
 * @param {HTMLElement} el
 * @param {{name: string, metrics: object|null}[]} runs columns of metrics.jsonl
 */
export async function trainingCurves(el, runs, options) {
  const columnsFor = (width) => (width >= 620 ? 3 : width >= 500 ? 2 : 1);
  const margin = (data) => ({ l: 60, r: 26, t: data.length > 1 ? 56 : 34, b: 50 });
  const arrange = (data, width) =>
    panels(shown(data).length, {
      width,
      columns: columnsFor(width),
      row: width < 860 ? 125 : 170,
      margin: margin(data),
      gapX: width < 860 ? 68 : 88,
      gapY: width < 860 ? 76 : 84,
    });
  const last = (values) => values?.filter(known).at(-1);
  return chart(
    el,
    {
      name: "training",
      title: "Training",
      source: "metrics.jsonl",
      empty: (data) => (shown(data).length ? "" : "no training was recorded"),
      describe: (data) =>
        `Training curves. ${data
          .filter((run) => run.metrics?.step?.length)
          .map(
            (run) =>
              `${run.name}: ${whole(last(run.metrics.step))} steps, loss ${short(last(run.metrics.loss))}, ` +
              `${["separation", "invariance", "capacity", "isometry"]
                .filter((name) => known(last(run.metrics[name])))
                .map((name) => `${name} ${short(last(run.metrics[name]))}`)
                .join(", ")}`,
          )
          .join("; ")}.`,
      note: (data) =>
        shown(data).some((panel) => panel.log && panel.names.some((name) => data.some((run) => run.metrics?.[name]?.some((v) => known(v) && v <= 0))))
          ? "Gaps in curves on logarithmic axes: values of 0 or less."
          : "",
      height: (data, width) => arrange(data, width).height,
      figure: (data, look, width) => {
        const { domains } = arrange(data, width);
        const list = shown(data);
        const tight = columnsFor(width) > 1 && width < 860; // No room for what the title of the panel says already.
        const layout = { margin: margin(data), annotations: [], hovermode: "closest", showlegend: data.length > 1 };
        if (data.length > 1)
          layout.legend = { orientation: "h", x: 0, xanchor: "left", y: 1, yref: "container", yanchor: "top", font: { size: 11, color: look.ink } };
        const traces = [];
        list.forEach((panel, k) => {
          const n = k ? String(k + 1) : "";
          const values = [];
          panel.names.forEach((name, j) => {
            data.forEach((run, r) => {
              if (!run.metrics?.[name]) return;
              const [x, raw] = thinned(run.metrics.step, run.metrics[name]);
              const y = panel.log ? raw.map(positive) : raw;
              for (const value of y) values.push(value);
              traces.push({
                x,
                y,
                xaxis: `x${n}`,
                yaxis: `y${n}`,
                mode: "lines",
                line: { color: ink(data.length > 1 ? r : j), dash: dash(data.length > 1 ? r : 0), width: 1.5 },
                name: plain(data.length > 1 ? run.name : words(name)),
                legendgroup: `${r}`,
                showlegend: data.length > 1 && k === 0,
                hovertemplate: `${data.length > 1 ? `${plain(run.name)}, ` : ""}${words(name)}<br>step %{x:,}: %{y:.3~g}<extra></extra>`,
              });
            });
          });
          const coloured = panel.names
            .map((name, j) => (panel.names.length > 1 ? `<span style="color:${readable(ink(j), look)}">${words(name)}</span>` : words(name)))
            .join(" and ");
          layout.annotations.push(panelTitle(`<b>${coloured}</b>`, domains[k], look));
          layout[`xaxis${n}`] = axis(look, "training step", {
            domain: domains[k].x,
            anchor: `y${n}`,
            automargin: false,
            showgrid: false,
            nticks: width >= 860 || width < 500 ? 5 : 3,
            tickformat: ",d",
            rangemode: "tozero",
            ...(k ? { matches: "x" } : {}),
          });
          layout[`yaxis${n}`] = axis(look, tight ? "" : panel.unit, {
            domain: domains[k].y,
            anchor: `x${n}`,
            automargin: false,
            nticks: 6,
            ...scaleOf(panel, values),
          });
        });
        return { data: traces, layout };
      },
      columns: (data) => {
        const names = [...new Set(data.flatMap((run) => Object.keys(run.metrics ?? {})))];
        const rows = data.filter((run) => run.metrics?.step);
        return [
          ...(data.length > 1 ? [["run", rows.flatMap((run) => run.metrics.step.map(() => run.name))]] : []),
          ...names.map((name) => [name, rows.flatMap((run) => run.metrics.step.map((_, k) => run.metrics[name]?.[k]))]),
        ];
      },
    },
    runs,
    options,
  );
}

function scaleOf(panel, values) {
  const most = values.reduce((a, b) => (known(b) && b > a ? b : a), 0);
  if (panel.whole) return counts(Math.max(4, most));
  if (panel.fromZero) return { range: [0, most * 1.08 || 1] };
  return panel.log && values.some(known) ? logarithmic(values, { most: 6 }) : {};
}
