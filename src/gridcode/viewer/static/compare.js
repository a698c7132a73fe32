/** Runs side by side: what differs in their settings, their numbers, best units and curves. */

import { mapsOf } from "gridcode/decode.js";
import { failure, h, replace, withCode } from "gridcode/dom.js";
import { MISSING, count } from "gridcode/format.js";
import { bestOf, indexed, modulesOf } from "gridcode/gallery.js";
import { runHref, unitHref } from "gridcode/routes.js";
import { savedFrom } from "gridcode/save.js";
import { chartGrid, laySections, note } from "gridcode/section.js";
import { forget, load, served } from "gridcode/source.js";
import { comparePathError } from "gridcode/space-charts.js";
import { scrolling } from "gridcode/table.js";
import { moduleHeading, unitTile } from "gridcode/tile.js";
import { trainingCurves } from "gridcode/training-charts.js";

const PER_MODULE = 6;
const TILE = 84;

/** Fills an element with a comparison of the runs of an address. */
export async function comparePage(element, { ids }, signal) {
  if (served) ids.forEach((id) => forget(`runs/${id}/`));
  const loaded = await Promise.allSettled(ids.map((id) => load(`runs/${id}/run`)));
  const runs = loaded.map(({ value }) => value).filter(Boolean);
  if (runs.length < 2) {
    const reason = loaded.find((each) => each.reason)?.reason.message;
    throw new Error(reason ?? "at least two runs that can be read are needed to compare");
  }
  const lost = ids.filter((_, k) => !loaded[k].value);
  const names = runs.map((run) => run.name).join(", ");
  savedFrom("comparison", names);
  const body = h("div.sections");
  replace(
    element,
    h("header.run-head", h("h1", { tabindex: -1 }, `${count(runs.length, "run")} compared`)),
    lost.map((id) => failure(`${id} cannot be read and is left out`)),
    body,
  );
  const sections = [
    { id: "settings", title: "Different settings", fill: (place) => settings(place, runs) },
    { id: "training", title: "Training", fill: (place) => training(place, runs, signal) },
    { id: "numbers", title: "Numbers", fill: (place) => place.append(numbers(runs)) },
    { id: "units", title: "Best units by module", fill: (place) => galleries(place, runs) },
  ];
  const measured = runs.filter((run) => run.space?.length);
  const space = (place) => chartGrid(place, "wide", [comparePathError(measured)], signal);
  if (measured.length) sections.push({ id: "space", title: "Path integration", fill: space });
  laySections(body, sections, signal);
  return { title: names };
}

function settings(place, runs) {
  const keys = [...new Set(runs.flatMap((run) => Object.keys(run.config)))];
  const written = ({ config }, key) => {
    const value = config[key];
    if (value === undefined) return MISSING;
    return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
  };
  const rows = keys.map((name) => ({ name, cells: runs.map((run) => written(run, name)) }));
  const different = rows.filter(({ cells }) => new Set(cells).size > 1);
  if (different.length) place.append(sideBySide(runs, different));
  const same = keys.length - different.length;
  const others = different.length ? "The same otherwise" : "All are the same";
  place.append(note(`${others} (${count(same, "setting")}).`));
}

function numbers(runs) {
  const labels = [...new Set(runs.flatMap((run) => run.cards.map(({ label }) => label)))];
  const cell = (run, label) => {
    const card = run.cards.find((each) => each.label === label);
    return card ? [h("strong", card.value), h("span.faint", card.detail)] : MISSING;
  };
  const verdict = (run) => withCode(run.verdict || run.notes.join(" ") || "not evaluated yet");
  return sideBySide(runs, [
    { name: "verdict", cells: runs.map(verdict) },
    ...labels.map((name) => ({ name, cells: runs.map((run) => cell(run, name)) })),
  ]);
}

function sideBySide(runs, rows) {
  const link = (run) => h("a", { href: runHref(run.id) }, run.name);
  const headings = runs.map((run) => h("th.text", { scope: "col" }, link(run)));
  const lines = rows.map(({ name, cells }) =>
    h(
      "tr",
      h("th.text", { scope: "row" }, name),
      cells.map((cell) => h("td.text", cell)),
    ),
  );
  return scrolling(
    "Runs side by side",
    h("table.compare", h("thead", h("tr", h("th"), headings)), h("tbody", lines)),
  );
}

async function galleries(place, runs) {
  const columns = h("div.columns", { style: { "--columns": runs.length } });
  place.append(
    note(`The best ${PER_MODULE} units of each module and of those in none, by hexagonal score.
      Modules are numbered separately in each run, smallest spacing first.`),
    columns,
  );
  for (const run of runs) {
    const heading = h("h3", h("a", { href: runHref(run.id) }, run.name));
    const column = h("section", heading);
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
  if (!maps) return void column.append(h("p.faint", "no maps yet"));
  const mapOf = await mapsOf(maps);
  const rows = indexed(run.units);
  const onOpen = (unit) => (location.hash = unitHref(run.id, unit));
  for (const key of modulesOf(rows)) {
    const members = rows.filter(({ module }) => module === key);
    const tiles = bestOf(members, PER_MODULE).map((row) => {
      const tile = unitTile(row, { size: TILE, onOpen });
      tile.draw(mapOf(row.index), row.grid_score, { binM: maps.bin_size_m });
      return tile.element;
    });
    const heading = moduleHeading("h4", key, count(members.length, "unit"));
    column.append(heading, h("div.tiles", tiles));
  }
}

async function training(place, runs, signal) {
  const all = await Promise.all(
    runs.map(async ({ id, name }) => {
      const parts = ["metrics", "above"].map((part) => load(`runs/${id}/${part}`));
      const [metrics, above] = await Promise.all(parts);
      return { name, metrics, above };
    }),
  );
  chartGrid(place, "wide", [trainingCurves(all)], signal);
}
