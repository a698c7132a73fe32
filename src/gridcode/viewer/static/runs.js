/** The explorer's first page: every run found, sorted and filtered, kept up to date. */

import { failure, h, replace, search, select, wait, withCode } from "gridcode/dom.js";
import { filterOf } from "gridcode/filter.js";
import { MISSING, STATES, count, whole } from "gridcode/format.js";
import { longRows } from "gridcode/long-rows.js";
import { compareHref, go, sweepHref } from "gridcode/routes.js";
import { COLUMNS, columnMenu, shownColumns } from "gridcode/run-columns.js";
import { load } from "gridcode/source.js";
import { compareValues, headings, markSorted } from "gridcode/table.js";

const REFRESH_MS = 5000;
const READING_MS = 100; // while the server still reads runs that are new to it
const PATIENCE = 10; // a list is not asked for more often than every ten times of its answer
const MOST_COMPARED = 50;
/** What conditions of the filter can be about besides settings. */
const OF_ROWS = [
  ...["name", "state", "preset", "units", "seed", "step", "steps", "loss", "active", "hexagonal"],
  ...["lattice", "band", "modules", "independent", "path_error_m", "arena_m"],
];

/** What the reader chose outlives going to a run and back. */
const chosen = { key: "name", up: true, text: "", state: "", picked: new Set() };

/** Fills an element with the list of runs. */
export async function runsPage(element, signal) {
  let found = await load("runs", { fresh: true });
  if (!found) throw new Error("no list of runs was found");
  let columns = [];
  let heads = [];
  let wanted = [];
  let several = false; // folders; one is named by the heading
  const body = h("tbody");
  const head = h("thead");
  const rows = longRows(body, {
    make: line,
    keyOf: ({ id }) => id,
    textOf: (row) => `${several} ${JSON.stringify(row)}`,
    refresh: (element, { id }) =>
      (element.querySelector("input").checked = chosen.picked.has(id)),
    signal,
  });
  const status = h("p.faint", { role: "status" });
  const away = h("div");
  const sweeps = h("div");
  const empty = h(
    "p.verdict",
    withCode("No runs here yet. `gridcode train quick` makes one; it appears here at once."),
  );
  const compare = h("button.primary", { onclick: () => go(compareHref([...chosen.picked])) });
  const all = h("input", {
    type: "checkbox",
    "aria-label": "Choose all runs that are shown",
    onchange() {
      wanted.forEach(({ id, state }) => state !== "damaged" && pick(id, all.checked));
      countPicked();
    },
  });
  const set = (changes) => {
    Object.assign(chosen, changes);
    fill({ anew: true });
  };
  const searching = search("Filter", "name or sigma_g=0.4 seed>3", (text) => set({ text }));
  searching.querySelector("input").value = chosen.text;
  const states = [["", "all states"], ...Object.keys(STATES).map((state) => [state, state])];

  function lay(shown) {
    columns = COLUMNS.filter(({ key, always }) => always || shown.has(key));
    heads = headings(columns, (k) => {
      const { key, text } = columns[k];
      set({ key, up: chosen.key === key ? !chosen.up : Boolean(text) });
    });
    replace(head, h("tr", h("th", all), heads));
    rows.forget();
    fill();
  }

  function fill({ anew = false } = {}) {
    const { runs, presets } = found;
    const { key, sort = (row) => row[key] } = COLUMNS.find((column) => column.key === chosen.key);
    const sorted = columns.findIndex((column) => column.key === key);
    markSorted(heads, sorted, chosen.up);
    const filter = filterOf(chosen.text, {
      keys: [...OF_ROWS, ...new Set(Object.values(presets ?? {}).flatMap(Object.keys))],
      valueOf: (row, key) => row[key] ?? row.changed?.[key] ?? presets[row.preset]?.[key],
      textOf: ({ folder, name }) => `${folder}/${name}`,
    });
    wanted = runs
      .filter((row) => (!chosen.state || row.state === chosen.state) && filter.wanted(row))
      .sort((a, b) => compareValues(a.name, b.name, 1))
      .sort((a, b) => compareValues(sort(a), sort(b), chosen.up ? 1 : -1));
    several = new Set(runs.map(parent)).size > 1;
    const held = document.activeElement.closest("[data-focus]")?.dataset.focus;
    rows.show(wanted, { anew });
    // The same link or box has the focus in the new lines.
    const again = held && body.querySelector(`[data-focus="${CSS.escape(held)}"]`);
    if (again && again !== document.activeElement) again.focus();
    const reading = runs.filter(({ state }) => state === "reading").length;
    const part = wanted.length === runs.length ? "" : `${whole(wanted.length)} of `;
    const unknown = filter.unknown.map((name) => `no setting is called "${name}"`);
    const texts = [part + count(runs.length, "run"), ...unknown];
    if (reading) texts.push(`${whole(reading)} still to be read`);
    status.textContent = runs.length ? texts.join("; ") : "";
    empty.hidden = runs.length > 0;
    fillSweeps();
    const there = new Set(runs.map(({ id }) => id));
    chosen.picked.forEach((id) => there.has(id) || chosen.picked.delete(id));
    countPicked();
  }

  function fillSweeps() {
    const link = ({ id, name }) => h("a", { href: sweepHref(id), "data-focus": id }, name);
    const links = (found.sweeps ?? []).map((sweep) => [" ", link(sweep)]);
    const text = sweeps.textContent;
    if (text !== `Sweeps:${links.map(([, { textContent }]) => ` ${textContent}`).join("")}`) {
      replace(sweeps, links.length > 0 && h("p.sweeps", "Sweeps:", links));
    }
  }

  function pick(id, on) {
    chosen.picked[on ? "add" : "delete"](id);
    const box = body.querySelector(`[data-focus="pick ${CSS.escape(id)}"]`);
    if (box) box.checked = on;
  }

  function countPicked() {
    const { size } = chosen.picked;
    compare.textContent = `Compare ${size} runs`;
    if (size < 2) compare.textContent = "Choose two runs to compare";
    if (size > MOST_COMPARED) compare.textContent = `At most ${MOST_COMPARED} runs can be compared`;
    compare.disabled = size < 2 || size > MOST_COMPARED;
    all.checked = wanted.length > 0 && wanted.every(({ id }) => chosen.picked.has(id));
    all.indeterminate = size > 0 && !all.checked;
  }

  /** A line of the table. */
  function line(row) {
    const { id, name, state } = row;
    const box = h("input", {
      type: "checkbox",
      "data-focus": `pick ${id}`,
      "aria-label": `Compare ${name}`,
      disabled: state === "damaged",
      onchange() {
        pick(id, box.checked);
        countPicked();
      },
    });
    const cells = columns.map(({ title, text, write, kind, always }) => {
      const label = always ? null : title; // narrow windows show it
      const content = write(row, { several, parent: parent(row) });
      const cell = h("td", { "data-label": label }, content);
      const missing = content === MISSING && "missing";
      cell.classList.add(...[text && "text", kind, missing].filter(Boolean));
      return cell;
    });
    return h(`tr.${state}`, h("td.pick", box), cells);
  }

  replace(
    element,
    h("header.run-head", h("h1", { tabindex: -1 }, "Runs"), h("p.faint", place(found))),
    away,
    sweeps,
    h(
      "div.controls",
      searching,
      select("State", states, chosen.state, (state) => set({ state })),
      columnMenu(lay),
      compare,
      status,
    ),
    empty,
    h(
      "div.scroll.runs",
      { tabindex: 0, role: "region", "aria-label": "Runs" },
      h("table", head, body),
    ),
  );
  lay(shownColumns());
  refresh();

  async function refresh() {
    let took = 0;
    const pause = () => {
      const reading = found.runs.some(({ state }) => state === "reading");
      return wait(reading ? READING_MS : Math.max(REFRESH_MS, PATIENCE * took));
    };
    for (await pause(); !signal.aborted; await pause()) {
      if (document.hidden) continue;
      const began = performance.now();
      try {
        found = await load("runs", { fresh: true });
        if (signal.aborted) return;
        fill();
        replace(away);
      } catch (error) {
        replace(away, failure("This list is no longer up to date", error));
      }
      took = performance.now() - began;
    }
  }
}

function place({ folders, whole: all = true, runs }) {
  const where = folders.length ? `in ${folders.join(", ")}` : "";
  return all ? where : `${where}; only the first ${whole(runs.length)} are listed`;
}

/** The folder that a run's folder lies in. */
const parent = ({ folder, name }) =>
  folder === name ? "" : folder.endsWith(`/${name}`) ? folder.slice(0, -name.length - 1) : folder;
