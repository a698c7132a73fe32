/** The explorer's first page: every run found, sorted and filtered, kept up to date. */

import { failure, h, replace, search, select, wait, withCode } from "gridcode/dom.js";
import { MISSING, STATES, ago, count, fixed, known, metres, whole } from "gridcode/format.js";
import { compareHref, go, runHref } from "gridcode/routes.js";
import { load } from "gridcode/source.js";
import { compareValues, headings, markSorted } from "gridcode/table.js";

const REFRESH_MS = 5000;
const READING_MS = 100; // while the server still reads runs that are new to it
const ofActive = (key) => (row) => (known(row[key]) ? `${row[key]} of ${row.active}` : MISSING);

/** Columns: key in the rows, heading, how it is written; `sort` is what it is sorted by. */
const COLUMNS = [
  { key: "name", title: "Run", text: true },
  { key: "state", title: "State", text: true, write: stateText },
  { key: "units", title: "Units", write: (row) => whole(row.units) },
  { key: "seed", title: "Seed", write: (row) => row.seed ?? MISSING },
  { key: "loss", title: "Loss", write: (row) => fixed(row.loss, 3) },
  { key: "hexagonal", title: "Grid cells", write: ofActive("hexagonal") },
  { key: "lattice", title: "Any lattice", write: ofActive("lattice") },
  { key: "modules", title: "Modules", write: modulesText },
  {
    key: "spacings_m",
    title: "Spacing",
    sort: (row) => row.spacings_m?.[0],
    write: ({ spacings_m: found }) =>
      found?.length ? `${found.map((spacing) => fixed(spacing)).join(", ")} m` : MISSING,
  },
  {
    key: "path_error_m",
    title: "Path error / steps",
    write: ({ path_error_m: error, path_steps: steps }) =>
      known(error) ? `${metres(error)} / ${whole(steps)}` : MISSING,
  },
  { key: "updated", title: "Changed", write: (row) => ago(row.updated) },
];

/** What the reader chose outlives going to a run and back. */
const chosen = { column: 0, up: true, text: "", state: "", picked: new Set() };

/** Fills an element with the list of runs. */
export async function runsPage(element, signal) {
  let found = await load("runs", { fresh: true });
  if (!found) throw new Error("no list of runs was found");
  const body = h("tbody");
  const status = h("p.faint", { role: "status" });
  const away = h("div");
  const empty = h(
    "p.verdict",
    withCode("No runs here yet. `gridcode train quick` makes one; it appears here at once."),
  );
  const compare = h("button.primary", { onclick: () => go(compareHref([...chosen.picked])) });
  const set = (changes) => {
    Object.assign(chosen, changes);
    fill();
  };
  const heads = headings(COLUMNS, (column) =>
    set({ column, up: chosen.column === column ? !chosen.up : Boolean(COLUMNS[column].text) }),
  );
  const searching = search("Search", "name or folder", (text) => set({ text }));
  searching.querySelector("input").value = chosen.text;
  const states = [["", "all states"], ...Object.keys(STATES).map((state) => [state, state])];

  function fill() {
    const { runs } = found;
    markSorted(heads, chosen.column, chosen.up);
    const { key, sort = (row) => row[key] } = COLUMNS[chosen.column];
    const wanted = runs
      .filter(({ state }) => !chosen.state || state === chosen.state)
      .filter(({ folder, name }) => `${folder}/${name}`.toLowerCase().includes(chosen.text))
      .sort((a, b) => compareValues(a.name, b.name, 1))
      .sort((a, b) => compareValues(sort(a), sort(b), chosen.up ? 1 : -1));
    const several = new Set(runs.map(parent)).size > 1; // else the heading names the folder
    const held = document.activeElement.closest("[data-focus]")?.dataset.focus;
    replace(
      body,
      wanted.map((row) => line(row, several, countPicked)),
    );
    // The same link or box has the focus in the new lines.
    if (held) body.querySelector(`[data-focus="${CSS.escape(held)}"]`)?.focus();
    const part = wanted.length === runs.length ? "" : `${wanted.length} of `;
    status.textContent = runs.length ? part + count(runs.length, "run") : "";
    empty.hidden = runs.length > 0;
    const there = new Set(runs.map(({ id }) => id));
    chosen.picked.forEach((id) => there.has(id) || chosen.picked.delete(id));
    countPicked();
  }

  function countPicked() {
    const { size } = chosen.picked;
    compare.textContent = size > 1 ? `Compare ${size} runs` : "Choose two runs to compare";
    compare.disabled = size < 2;
  }

  const corner = h("th", h("span.hidden", "Compare"));
  replace(
    element,
    h("header.run-head", h("h1", { tabindex: -1 }, "Runs"), h("p.faint", place(found))),
    away,
    h(
      "div.controls",
      searching,
      select("State", states, chosen.state, (state) => set({ state })),
      compare,
      status,
    ),
    empty,
    h(
      "div.scroll.runs",
      { tabindex: 0, role: "region", "aria-label": "Runs" },
      h("table", h("thead", h("tr", corner, heads)), body),
    ),
  );
  fill();
  refresh();

  async function refresh() {
    const pause = () =>
      wait(found.runs.some(({ state }) => state === "reading") ? READING_MS : REFRESH_MS);
    for (await pause(); !signal.aborted; await pause()) {
      if (document.hidden) continue;
      try {
        found = await load("runs", { fresh: true });
        if (signal.aborted) return;
        fill();
        replace(away);
      } catch (error) {
        replace(away, failure("This list is no longer up to date", error));
      }
    }
  }
}

function place({ folders, whole: all = true, runs }) {
  const where = folders.length ? `in ${folders.join(", ")}` : "";
  return all ? where : `${where}; only the first ${whole(runs.length)} are listed`;
}

/** A line of the table; `several` names the folder, `onPick` is called after a choice. */
function line(row, several, onPick) {
  const { id, name, state, problem } = row;
  const pick = h("input", {
    type: "checkbox",
    "data-focus": `pick ${id}`,
    "aria-label": `Compare ${name}`,
    disabled: state === "damaged",
    onchange() {
      chosen.picked[pick.checked ? "add" : "delete"](id);
      onPick();
    },
  });
  pick.checked = chosen.picked.has(id);
  const hint = state === "trained" && `\`gridcode evaluate ${row.folder}\``;
  const cells = COLUMNS.slice(1).map(({ title, text, write }) =>
    h(text ? "td.text" : "td", { "data-label": title }, write(row)),
  );
  return h(
    `tr.${state}`,
    h("td.pick", pick),
    h(
      "td.text.run-name",
      h("a", { href: runHref(id), "data-focus": id }, name),
      several && h("span.faint", parent(row)),
      problem && h("span.problem", problem),
      hint && h("span.hint", withCode(hint)),
    ),
    cells,
  );
}

/** The folder that a run's folder lies in. */
const parent = ({ folder, name }) =>
  folder === name ? "" : folder.endsWith(`/${name}`) ? folder.slice(0, -name.length - 1) : folder;

function stateText({ state, step, steps }) {
  const unfinished = (state === "training" || state === "stopped") && steps;
  return unfinished ? `${state} ${Math.floor((100 * (step ?? 0)) / steps)}%` : state;
}

function modulesText({ modules, independent }) {
  if (!known(modules)) return MISSING;
  if (modules < 2) return String(modules);
  return modules === independent
    ? `${modules} independent`
    : `${modules} (${independent} independent)`;
}
