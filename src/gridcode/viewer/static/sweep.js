/** A sweep: a measure against a setting, and the table of results, which grows as it runs. */

import { axis, plain } from "gridcode/axes.js";
import { chart } from "gridcode/chart.js";
import { moduleColour } from "gridcode/colours.js";
import { failure, h, replace, search, select, setOptions, wait } from "gridcode/dom.js";
import { filterOf } from "gridcode/filter.js";
import { MISSING, count, known, short, whole } from "gridcode/format.js";
import { longRows } from "gridcode/long-rows.js";
import { go, runHref } from "gridcode/routes.js";
import { savedFrom } from "gridcode/save.js";
import { load } from "gridcode/source.js";
import { compareValues, headings, markSorted, scrolling } from "gridcode/table.js";

const REFRESH_MS = 5000;
const FIRST_MEASURES = ["hexagonal", "loss"];
const MOST_MEDIANS = 30;
const WIDE = 50; // a setting whose values span this factor has a logarithmic axis
const TEXTS = ["run", "status", "error"];

/** Fills an element with the page of a sweep. */
export async function sweepPage(element, { id }, signal) {
  let found = await load(`sweeps/${id}`, { fresh: true });
  if (!found) throw new Error("there is no such sweep here");
  savedFrom(id, found.name);
  const status = h("p.faint", { role: "status" });
  const away = h("div");
  const table = resultTable(signal);
  const scatter = resultScatter(signal);
  replace(
    element,
    h("header.run-head", h("h1", { tabindex: -1 }, found.name), h("p.faint", found.folder)),
    away,
    status,
    scatter.element,
    table.element,
  );
  show();
  follow();

  function show() {
    const at = found.columns.indexOf("status");
    const numbers = Object.entries(Object.groupBy(found.rows, (row) => row[at] ?? "unknown"));
    const parts = numbers.map(([name, rows]) => `${whole(rows.length)} ${name}`);
    status.textContent = `${count(found.rows.length, "training")}: ${parts.join(", ")}`;
    scatter.show(found);
    table.show(found);
  }

  async function follow() {
    for (await wait(REFRESH_MS); !signal.aborted; await wait(REFRESH_MS)) {
      if (document.hidden) continue;
      try {
        const next = await load(`sweeps/${id}`, { fresh: true });
        if (signal.aborted) return;
        if (!next) throw new Error("the sweep is gone");
        replace(away);
        if (JSON.stringify(next) === JSON.stringify(found)) continue;
        found = next;
        show();
      } catch (error) {
        replace(away, failure("This table is no longer up to date", error));
      }
    }
  }

  return { title: found.name };
}

/** A measure against a setting, a dot for each run; a click on one leads to the run. */
function resultScatter(signal) {
  let found = null;
  let drawn = null;
  const chosen = { x: null, y: null };
  const choose = (name) => (value) => {
    chosen[name] = value;
    draw();
  };
  const across = select("Setting", [], "", choose("x"));
  const up = select("Measure", [], "", choose("y"));
  const place = h("div");
  const element = h("section.sweep-chart", h("div.controls", across, up), place);

  function draw() {
    const spec = scatterOf(found, chosen);
    if (drawn) drawn(spec);
    else drawn = chart(place, spec, signal);
  }

  return {
    element,
    show(next) {
      found = next;
      const { settings, measures } = found;
      element.hidden = !settings.length || !measures.length;
      if (element.hidden) return;
      if (!settings.includes(chosen.x)) [chosen.x] = settings;
      const wanted = [...FIRST_MEASURES, ...measures];
      if (!measures.includes(chosen.y)) chosen.y = wanted.find((name) => measures.includes(name));
      const options = (names) => names.map((name) => [name, name]);
      setOptions(across.querySelector("select"), options(settings), chosen.x);
      setOptions(up.querySelector("select"), options(measures), chosen.y);
      draw();
    },
  };
}

function scatterOf({ id, columns, rows, settings, runs }, { x, y }) {
  const cell = (row, name) => row[columns.indexOf(name)];
  const points = rows.filter((row) => known(cell(row, y)) && cell(row, x) !== null);
  const at = (row) => (known(cell(row, x)) ? cell(row, x) : plain(cell(row, x)));
  const values = points.map(at);
  const numeric = values.every(known);
  const spread = numeric && Math.min(...values) > 0 && Math.max(...values) / Math.min(...values);
  const about = (row) =>
    [cell(row, "run"), ...settings.map((name) => `${name} ${cellText(cell(row, name))}`)]
      .map(plain)
      .join("<br>");
  const data = [
    {
      x: values,
      y: points.map((row) => cell(row, y)),
      customdata: points.map((row) => runs[cell(row, "run")]),
      text: points.map(about),
      mode: "markers",
      marker: { size: 8, color: moduleColour(0), opacity: 0.75 },
      name: "trainings",
      hovertemplate: "%{text}<br>%{y:.4~g}<extra></extra>",
    },
  ];
  const groups = [...Map.groupBy(points, at)];
  if (numeric && groups.length > 1 && groups.length <= MOST_MEDIANS) {
    const medians = groups.toSorted(([a], [b]) => a - b);
    data.push({
      x: medians.map(([value]) => value),
      y: medians.map(([, group]) => median(group.map((row) => cell(row, y)))),
      mode: "lines",
      line: { color: moduleColour(1), width: 2 },
      name: "median",
      hovertemplate: "median %{y:.4~g}<extra></extra>",
    });
  }
  return {
    name: `${id}-${y}-against-${x}`,
    title: `${y} against ${x}`,
    note: "A click on a dot leads to its run.",
    source: "results.csv",
    height: 340,
    data,
    layout: {
      xaxis: axis(x, { type: numeric ? (spread > WIDE ? "log" : "linear") : "category" }),
      yaxis: axis(y),
    },
    pointName: "run",
    onPoint: (run) => go(runHref(run)),
  };
}

const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
};

const cellText = (value) => (known(value) ? short(value, 5) : (value ?? MISSING));

/** All columns of `results.csv`, sorted and filtered; runs that are there are links. */
function resultTable(signal) {
  let found = null;
  let heads = [];
  let columns = [];
  const chosen = { name: null, up: true, text: "" };
  const head = h("thead");
  const body = h("tbody");
  const lines = longRows(body, {
    make: line,
    keyOf: (row) => row[0] ?? "",
    textOf: (row) => JSON.stringify([row, runOf(row) ?? null]),
    signal,
  });
  const status = h("p.faint", { role: "status" });
  const searching = search("Filter", "name or sigma_g=0.4 seed>3", (text) => {
    chosen.text = text;
    fill({ anew: true });
  });
  const runOf = (row) => found.runs[row[columns.indexOf("run")]];

  function line(row) {
    const cells = row.map((value, k) => {
      const name = columns[k];
      const link = name === "run" && runOf(row);
      const text = cellText(value);
      return h(
        TEXTS.includes(name) ? "td.text" : "td",
        link ? h("a", { href: runHref(link) }, text) : text,
      );
    });
    return h("tr", cells);
  }

  function fill({ anew = false } = {}) {
    const at = columns.indexOf(chosen.name);
    markSorted(heads, at, chosen.up);
    const filter = filterOf(chosen.text, {
      keys: columns,
      valueOf: (row, key) => row[columns.indexOf(key)],
      textOf: (row) => row.join(" "),
    });
    const wanted = found.rows.filter(filter.wanted);
    if (at >= 0) wanted.sort((a, b) => compareValues(a[at], b[at], chosen.up ? 1 : -1));
    lines.show(wanted, { anew });
    const unknown = filter.unknown.map((name) => `no column is called "${name}"`);
    const part = wanted.length < found.rows.length && `${wanted.length} of ${found.rows.length}`;
    status.textContent = [part, ...unknown].filter(Boolean).join("; ");
  }

  return {
    element: h(
      "section",
      h("div.controls", searching, status),
      scrolling("Results of the sweep", h("table.sweep", head, body)),
    ),
    show(next) {
      found = next;
      if (JSON.stringify(columns) !== JSON.stringify(found.columns)) {
        columns = found.columns;
        const titles = columns.map((title) => ({ title, text: TEXTS.includes(title) }));
        heads = headings(titles, (k) => {
          const same = chosen.name === columns[k];
          Object.assign(chosen, { name: columns[k], up: same ? !chosen.up : true });
          fill({ anew: true });
        });
        replace(head, h("tr", heads));
        lines.forget();
      }
      fill();
    },
  };
}
