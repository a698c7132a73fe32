/** Columns of the list of runs, and the menu that chooses among them. */

import { commandLine } from "gridcode/command.js";
import { h, withCode } from "gridcode/dom.js";
import { MISSING, ago, date, fixed, known, metres, short, whole } from "gridcode/format.js";
import { runHref } from "gridcode/routes.js";

const KEY = "gridcode-columns";
const SHOWN_SETTINGS = 3;
const OWN_COLUMN = ["training.seed", "model.units"];
const ofActive = (key) => (row) => (known(row[key]) ? `${row[key]} of ${row.active}` : MISSING);

/**
 * Columns: key in the rows, heading, how it is written, class of the cell; `sort` is what it is
 * sorted by; `off`: not shown until it is chosen.
 */
export const COLUMNS = [
  { key: "name", title: "Run", text: true, always: true, write: nameCell, kind: "run-name" },
  { key: "best", title: "Best units", text: true, write: thumbnail, kind: "thumb" },
  { key: "state", title: "State", text: true, write: stateText },
  { key: "preset", title: "Preset", text: true, write: ({ preset }) => preset ?? MISSING },
  {
    key: "changed",
    title: "Changed settings",
    text: true,
    sort: (row) => Object.keys(row.changed ?? {}).length,
    write: changedText,
    kind: "changed",
  },
  { key: "seed", title: "Seed", write: (row) => row.seed ?? MISSING },
  { key: "units", title: "Units", write: (row) => whole(row.units) },
  { key: "loss", title: "Loss", write: (row) => fixed(row.loss, 3) },
  { key: "hexagonal", title: "Grid cells", write: ofActive("hexagonal") },
  { key: "lattice", title: "Any lattice", off: true, write: ofActive("lattice") },
  { key: "modules", title: "Modules", write: modulesText, kind: "narrow" },
  {
    key: "spacings_m",
    title: "Spacing",
    kind: "narrow",
    sort: (row) => row.spacings_m?.[0],
    write: ({ spacings_m: found }) =>
      found?.length ? `${found.map((spacing) => fixed(spacing)).join(", ")} m` : MISSING,
  },
  {
    key: "path_error_m",
    title: "Path error / steps",
    kind: "narrow",
    write: ({ path_error_m: error, path_steps: steps }) =>
      known(error) ? `${metres(error)} / ${whole(steps)}` : MISSING,
  },
  { key: "updated", title: "Date", write: dateCell, kind: "date" },
];

/** Keys of the columns that the reader sees; a Set. */
export function shownColumns() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    if (Array.isArray(kept)) return new Set(kept);
  } catch {
    // what is kept there is no list, or some browsers forbid it
  }
  return new Set(COLUMNS.filter(({ off }) => !off).map(({ key }) => key));
}

/** The menu that shows and hides columns; `onChange` takes the keys of those shown. */
export function columnMenu(onChange) {
  const shown = shownColumns();
  const boxes = COLUMNS.filter(({ always }) => !always).map(({ key, title }) => {
    const box = h("input", { type: "checkbox" });
    box.checked = shown.has(key);
    box.addEventListener("change", () => {
      shown[box.checked ? "add" : "delete"](key);
      try {
        localStorage.setItem(KEY, JSON.stringify([...shown]));
      } catch {
        // then the choice lasts as long as the page
      }
      onChange(shown);
    });
    return h("label", box, title);
  });
  const list = h("div.save-list.column-list", { popover: true }, boxes);
  const button = h("button.quiet", { onclick: open }, "Columns");
  function open() {
    list.togglePopover();
    const { left, bottom } = button.getBoundingClientRect();
    list.style.left = `${Math.max(8, Math.min(left, innerWidth - list.offsetWidth - 8))}px`;
    list.style.top = `${Math.min(bottom + 2, innerHeight - list.offsetHeight - 8)}px`;
  }
  return h("span", button, list);
}

function nameCell({ id, name, problem, evaluate }, { several, parent }) {
  return [
    h("a", { href: runHref(id), "data-focus": id }, name),
    several && h("span.faint", parent),
    problem && h("span.problem", withCode(problem)),
    evaluate && h("details.evaluate", h("summary", "evaluate this run"), commandLine(evaluate)),
  ];
}

/** Loaded by the browser when it comes into view; the date brings a new one after an evaluation. */
function thumbnail({ id, name, best, updated }) {
  if (!best?.length) return MISSING;
  const image = h("img.thumbnail", {
    src: `api/runs/${encodeURIComponent(id)}/thumbnail?at=${updated}`,
    alt: `Rate maps of the best units of ${name}`,
    loading: "lazy",
    decoding: "async",
    width: 126,
    height: 40,
  });
  image.addEventListener("error", () => image.replaceWith(MISSING));
  return image;
}

function stateText({ state, step, steps }) {
  const unfinished = (state === "training" || state === "stopped") && steps;
  return unfinished ? `${state} ${Math.floor((100 * (step ?? 0)) / steps)}%` : state;
}

/** Settings that differ from the preset: a few of the training in short, all under the pointer. */
function changedText({ changed, preset }) {
  const keys = Object.keys(changed ?? {}).filter((key) => !OWN_COLUMN.includes(key));
  if (!keys.length) return MISSING;
  const written = (key) => `${key.split(".")[1]} ${valueText(changed[key])}`;
  const trained = keys.filter((key) => !key.startsWith("evaluation."));
  const first = trained.slice(0, SHOWN_SETTINGS).map(written).join(", ") || "evaluation only";
  const rest = trained.length - SHOWN_SETTINGS;
  const full = keys.map((key) => `${key} = ${JSON.stringify(changed[key])}`);
  const title = [`different from the preset ${preset}:`, ...full].join("\n");
  return h("span", { title }, rest > 0 ? `${first}, ${rest} more` : first);
}

function valueText(value) {
  if (typeof value === "number") return short(value, 6);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 24 ? `${text.slice(0, 23)}…` : text;
}

function dateCell({ updated }) {
  return h("span", { title: `last changed ${ago(updated)}` }, date(updated));
}

function modulesText({ modules, independent }) {
  if (!known(modules)) return MISSING;
  if (modules < 2) return String(modules);
  return modules === independent
    ? `${modules} independent`
    : `${modules} (${independent} independent)`;
}
