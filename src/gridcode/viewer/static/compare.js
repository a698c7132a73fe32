/** Runs side by side: what differs in their settings, their numbers, their best units, their curves. */

import { failure, h, replace } from "gridcode/dom.js";
import { isModule } from "gridcode/colours.js";
import { mapsOf } from "gridcode/decode.js";
import { chart } from "gridcode/drawing.js";
import { MISSING, count } from "gridcode/format.js";
import { runHref, unitHref } from "gridcode/routes.js";
import { laySections, note, place } from "gridcode/section.js";
import { inlineNames, load } from "gridcode/source.js";
import { swatch, unitTile } from "gridcode/tile.js";

const PER_MODULE = 6;
const TILE = 76; // six side by side where two runs share a laptop's screen

/**
 * Fills an element with a comparison.
 * @param {HTMLElement} element
 * @param {{ids: string[]}} where without ids: all runs that the page holds
 * @param {AbortSignal} signal ends it
 * @returns {Promise<{title: string}>}
 */
export async function comparePage(element, { ids }, signal) {
  const wanted = ids.length
    ? ids
    : inlineNames()
        .map((name) => /^runs\/([^/]+)\/run$/.exec(name)?.[1])
        .filter(Boolean);
  const loaded = await Promise.all(
    wanted.map((id) =>
      load(`runs/${id}/run`).then(
        (run) => ({ id, run }),
        (error) => ({ id, error }),
      ),
    ),
  );
  const runs = loaded.filter(({ run }) => run).map(({ run }) => run);
  const lost = loaded.filter(({ run }) => !run);
  if (runs.length < 2) throw new Error(lost[0]?.error?.message ?? "at least two runs that can be read are needed to compare");
  import("gridcode/download.js").then(({ savedFrom }) => savedFrom({ id: "comparison", name: runs.map((run) => run.name ?? run.title).join("; ") }), () => {});
  const kept = [];
  const keep = (handles) => kept.push(...handles.filter(Boolean));
  signal.addEventListener("abort", () => kept.forEach((handle) => handle.destroy?.()));
  const body = h("div", { class: "sections" });
  replace(
    element,
    h("header", { class: "run-head" }, h("h1", { tabindex: -1 }, `${count(runs.length, "run")} compared`)),
    lost.map(({ id, error }) => failure(`${id} is left out`, error ?? "it is no longer there")),
    body,
  );
  laySections(
    body,
    [
      { id: "settings", title: "What differs in the settings", fill: (place_) => place_.append(...settings(runs)) },
      { id: "numbers", title: "Numbers", fill: (place_) => place_.append(numbers(runs)) },
      { id: "units", title: "Best units by module", fill: (place_) => galleries(place_, runs) },
      runs.some((run) => run.has.metrics) && { id: "training", title: "Training", fill: (place_) => training(place_, runs, keep) },
      runs.some((run) => run.space?.length) && { id: "space", title: "Path integration", fill: (place_) => space(place_, runs, keep) },
    ].filter(Boolean),
    signal,
  );
  return { title: `${runs.map((run) => run.name ?? run.title).join(", ")}` };
}

function settings(runs) {
  const keys = [...new Set(runs.flatMap((run) => Object.keys(run.config ?? {})))];
  const written = (run, key) => (run.config && key in run.config ? plain(run.config[key]) : MISSING);
  const different = keys.filter((key) => new Set(runs.map((run) => written(run, key))).size > 1);
  if (!different.length)
    return [note(keys.length ? "Nothing: all settings are the same." : "These were not trained here: there are no settings to compare.")];
  return [
    sideBySide(
      runs,
      different.map((key) => ({ name: key, cells: runs.map((run) => written(run, key)) })),
    ),
    note(`The same otherwise (${count(keys.length - different.length, "setting")}).`),
  ];
}

function numbers(runs) {
  const labels = [...new Set(runs.flatMap((run) => (run.cards ?? []).map(({ label }) => label)))];
  const cell = (run, label) => {
    const card = run.cards?.find((each) => each.label === label);
    return card ? [h("strong", {}, card.value), card.detail && h("span", { class: "faint" }, card.detail)] : MISSING;
  };
  return sideBySide(runs, [
    { name: "verdict", kind: "sentence", cells: runs.map((run) => run.verdict || "not evaluated yet") },
    ...labels.map((label) => ({ name: label, cells: runs.map((run) => cell(run, label)) })),
  ]);
}

function sideBySide(runs, rows) {
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Runs side by side" },
    h(
      "table",
      { class: "compare" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", {}, ""),
          runs.map((run) => h("th", { scope: "col", class: "text" }, h("a", { href: runHref(run.id) }, run.name ?? run.title))),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map(({ name, cells, kind }) =>
          h(
            "tr",
            { class: kind },
            h("th", { scope: "row", class: "text" }, name),
            cells.map((cell) => h("td", { class: "text" }, cell)),
          ),
        ),
      ),
    ),
  );
}

async function galleries(body, runs) {
  body.append(
    note(
      `The best ${PER_MODULE} units of each module and of those in none, by hexagonal score. A module's number and colour are ` +
        `its own in each run: the smallest spacing comes first.`,
    ),
  );
  const columns = h("div", { class: "columns", style: { "--columns": runs.length } });
  body.append(columns);
  for (const run of runs) {
    const column = h("section", {}, h("h3", {}, h("a", { href: runHref(run.id) }, run.name ?? run.title)));
    columns.append(column);
    try {
      await bestUnits(column, run);
    } catch (error) {
      column.append(failure("These maps could not be shown", error));
    }
  }
}

async function bestUnits(column, run) {
  const group = run.headline_group ?? run.has.maps[0];
  const maps = group && (await load(`runs/${run.id}/maps/${group}`));
  if (!maps) return void column.append(h("p", { class: "faint" }, "no maps yet"));
  const mapOf = await mapsOf(maps);
  const rows = run.units.map((row, index) => ({ row, index, module: isModule(row.module) ? row.module : null }));
  const keys = [...new Set(rows.map(({ module }) => module))].sort((a, b) => (a ?? Infinity) - (b ?? Infinity));
  for (const key of keys) {
    const best = rows.filter(({ module }) => module === key).sort((a, b) => (b.row.grid_score ?? -9) - (a.row.grid_score ?? -9));
    const tiles = best.slice(0, PER_MODULE).map(({ row, index }) => {
      const tile = unitTile(row, { size: TILE, onOpen: (unit) => (location.hash = unitHref(run.id, unit)) });
      tile.draw(mapOf(index));
      return tile.element;
    });
    column.append(
      h(
        "h4",
        { class: "module-name" },
        swatch(key),
        key === null ? "In no module" : `Module ${key}`,
        h("span", { class: "faint" }, count(best.length, "unit")),
      ),
      h("div", { class: "tiles" }, tiles),
    );
  }
}

async function training(body, runs, keep) {
  const all = await Promise.all(runs.map(async (run) => ({ name: run.name ?? run.title, metrics: await load(`runs/${run.id}/metrics`) })));
  const curves = place("wide");
  body.append(curves.element);
  keep([
    await chart(
      curves.inner,
      "trainingCurves",
      all.filter(({ metrics }) => metrics),
    ),
  ]);
}

async function space(body, runs, keep) {
  const errors = place("wide");
  body.append(
    note("Error of the place read from the state alone, median over walkers, on the first walk and in the first arena of the first run."),
    errors.element,
  );
  keep([
    await chart(
      errors.inner,
      "comparePathError",
      runs.filter((run) => run.space?.length).map((run) => ({ name: run.name ?? run.title, space: run.space })),
    ),
  ]);
}

const plain = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value));
