/** The explorer's first page: every run found, sorted and filtered, kept up to date in place. */

import { failure, h, replace, select } from "gridcode/dom.js";
import { MISSING, ago, count, fixed, metres, whole } from "gridcode/format.js";
import { compareHref, go, runHref } from "gridcode/routes.js";
import { load, served } from "gridcode/source.js";
import { STATES } from "gridcode/words.js";

const REFRESH_MS = 5000;
const COLLATOR = new Intl.Collator("en", { numeric: true });

/** Columns: heading, what it is sorted by, what is written; numbers to the right, largest first. */
const COLUMNS = [
  { key: "name", title: "Run", text: true, value: (row) => row.name },
  { key: "state", title: "State", text: true, value: (row) => Object.keys(STATES).indexOf(row.state), write: stateText },
  { key: "units", title: "Units", value: (row) => row.units, write: (row) => whole(row.units) },
  { key: "seed", title: "Seed", value: (row) => row.seed, write: (row) => row.seed ?? MISSING },
  { key: "loss", title: "Loss", value: (row) => row.loss, write: (row) => fixed(row.loss, 3) },
  { key: "hexagonal", title: "Grid cells", value: (row) => row.hexagonal, write: (row) => share(row.hexagonal, row.active) },
  { key: "lattice", title: "Any lattice", value: (row) => row.lattice, write: (row) => share(row.lattice, row.active) },
  { key: "modules", title: "Modules", value: (row) => row.modules, write: modulesText },
  {
    key: "spacings",
    title: "Spacing",
    value: (row) => row.spacings_m?.[0],
    write: (row) => (row.spacings_m?.length ? `${row.spacings_m.map((spacing) => fixed(spacing)).join(", ")} m` : MISSING),
  },
  {
    key: "path",
    title: "Path error / steps",
    value: (row) => row.path_error_m,
    write: (row) => (Number.isFinite(row.path_error_m) ? `${metres(row.path_error_m)} / ${whole(row.path_steps)}` : MISSING),
  },
  { key: "updated", title: "Changed", value: (row) => row.updated, write: (row) => (row.updated ? ago(row.updated) : MISSING) },
];

/** What people chose outlives going to a run and back. */
const chosen = { column: "name", up: true, text: "", state: "", picked: new Set() };

/**
 * Fills an element with the list of runs.
 * @param {HTMLElement} element
 * @param {AbortSignal} signal ends it
 */
export async function runsPage(element, signal) {
  const found = await load("runs", { fresh: served });
  if (!found) throw new Error("no list of runs was found");
  const lines = new Map();
  const body = h("tbody", {});
  const said = h("p", { class: "faint", role: "status" });
  const away = h("div", {});
  const compare = h("button", { type: "button", class: "primary", onclick: () => go(compareHref([...chosen.picked])) });
  const headings = COLUMNS.map(({ key, title, text }) =>
    h("th", { scope: "col", class: text ? "text" : null }, h("button", { type: "button", onclick: () => sortBy(key, text) }, title)),
  );
  const search = h("input", {
    type: "search",
    placeholder: "name or folder",
    autocomplete: "off",
    spellcheck: "false",
    oninput: (event) => choose("text", event.target.value.trim().toLowerCase()),
  });
  search.value = chosen.text;
  const states = select("State", [["", "all states"], ...Object.keys(STATES).map((state) => [state, state])], chosen.state, (event) =>
    choose("state", event.target.value),
  );
  let rows = [];
  const several = () => new Set(rows.map(parent)).size > 1; // else their common folder is in the heading

  function choose(name, value) {
    chosen[name] = value;
    arrange();
  }

  function sortBy(key, text) {
    chosen.up = chosen.column === key ? !chosen.up : Boolean(text);
    chosen.column = key;
    arrange();
  }

  function arrange() {
    headings.forEach((heading, k) =>
      COLUMNS[k].key === chosen.column
        ? heading.setAttribute("aria-sort", chosen.up ? "ascending" : "descending")
        : heading.removeAttribute("aria-sort"),
    );
    const { value } = COLUMNS.find(({ key }) => key === chosen.column);
    const wanted = rows.filter(
      (row) =>
        (!chosen.state || row.state === chosen.state) && (!chosen.text || `${row.folder}/${row.name}`.toLowerCase().includes(chosen.text)),
    );
    const ordered = wanted
      .sort((a, b) => unknownLast(value(a), value(b), chosen.up ? 1 : -1) || COLLATOR.compare(a.name, b.name))
      .map((row) => lines.get(row.id).element);
    // Moving an element takes the focus from it, so that only what is out of order moves.
    for (const stale of [...body.children]) if (!ordered.includes(stale)) stale.remove();
    ordered.forEach((line, k) => body.children[k] !== line && body.insertBefore(line, body.children[k] ?? null));
    said.textContent = rows.length
      ? wanted.length === rows.length
        ? count(rows.length, "run")
        : `${wanted.length} of ${count(rows.length, "run")}`
      : "";
    compare.textContent = chosen.picked.size > 1 ? `Compare ${chosen.picked.size} runs` : "Choose two runs to compare";
    compare.disabled = chosen.picked.size < 2;
  }

  function take({ runs }) {
    rows = runs;
    const there = new Set(rows.map(({ id }) => id));
    for (const id of [...lines.keys()]) if (!there.has(id)) lines.delete(id);
    for (const id of [...chosen.picked]) if (!there.has(id)) chosen.picked.delete(id);
    for (const row of rows) {
      if (!lines.has(row.id)) lines.set(row.id, line(row.id, arrange, several));
      lines.get(row.id).update(row);
    }
    empty.hidden = rows.length > 0;
    table.hidden = rows.length === 0;
    arrange();
  }

  const empty = h(
    "p",
    { class: "verdict" },
    "No runs here yet. ",
    h("code", {}, "gridcode train quick"),
    " makes one; it appears here while it learns.",
  );
  const table = h(
    "div",
    { class: "scroll runs" },
    h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, h("span", { class: "hidden" }, "Compare")), headings)), body),
  );
  replace(
    element,
    h(
      "header",
      { class: "run-head" },
      h("h1", { tabindex: -1 }, "Runs"),
      h("p", { class: "faint" }, found.folders?.length ? `in ${found.folders.join(", ")}` : ""),
    ),
    away,
    h("div", { class: "controls" }, h("label", { class: "field" }, h("span", {}, "Search"), search), states, compare, said),
    empty,
    table,
  );
  take(found);
  if (served) refresh(take, away, signal);
}

async function refresh(take, away, signal) {
  const wait = () => new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
  for (await wait(); !signal.aborted; await wait()) {
    if (document.hidden) continue;
    try {
      const found = await load("runs", { fresh: true });
      if (signal.aborted) return;
      if (found) take(found);
      replace(away);
    } catch (error) {
      if (!signal.aborted) replace(away, failure("This list is no longer up to date", error));
    }
  }
}

/** A row of the table, changed in place. */
function line(id, arrange, several) {
  const pick = h("input", {
    type: "checkbox",
    onchange: (event) => (event.target.checked ? chosen.picked.add(id) : chosen.picked.delete(id), arrange()),
  });
  const link = h("a", { href: runHref(id) });
  const folder = h("span", { class: "faint folder" });
  const problem = h("span", { class: "problem" });
  const cells = COLUMNS.slice(1).map(({ title, text }) => h("td", { class: text ? "text" : null, "data-label": title }));
  const element = h("tr", {}, h("td", { class: "pick" }, pick), h("td", { class: "text run-name" }, link, folder, problem), cells);
  pick.checked = chosen.picked.has(id);
  const put = (node, text) => node.textContent !== text && (node.textContent = text);
  return {
    element,
    update(row) {
      put(link, row.name);
      put(folder, several() ? parent(row) : "");
      put(problem, row.problem ?? "");
      pick.setAttribute("aria-label", `Compare ${row.name}`);
      pick.disabled = row.state === "damaged";
      element.className = row.state;
      COLUMNS.slice(1).forEach(({ write }, k) => put(cells[k], String(write(row))));
    },
  };
}

/** The folder a run lies in; a run may be told with or without its own. */
function parent({ folder, name }) {
  const path = (folder ?? "").replace(/^\.$/, "");
  return path === name ? "" : path.endsWith(`/${name}`) ? path.slice(0, -name.length - 1) : path;
}

function stateText(row) {
  const unfinished = row.state === "training" || row.state === "stopped";
  return unfinished && row.steps ? `${row.state} ${Math.floor((100 * (row.step ?? 0)) / row.steps)}%` : row.state;
}

function modulesText(row) {
  if (!Number.isFinite(row.modules)) return MISSING;
  if (row.modules < 2 || !Number.isFinite(row.independent)) return String(row.modules);
  return row.modules === row.independent ? `${row.modules} independent` : `${row.modules} (${row.independent} independent)`;
}

const share = (part, all) => (Number.isFinite(part) ? (Number.isFinite(all) ? `${part} of ${all}` : String(part)) : MISSING);

function unknownLast(a, b, sign) {
  const [first, second] = [a ?? null, b ?? null];
  if (first === null || second === null) return (first === null) - (second === null);
  return sign * (typeof first === "string" ? COLLATOR.compare(first, second) : first - second);
}
