/**
 * Addresses within the page: `#/run/ID/unit/17`, `#/compare/ID1/ID2`. A report holds one run, so
 * there `#unit-17` and `#modules`. A sweep is at `#/sweep/ID`. `?step=400` at the end is a step of the training.
 */

import { inlineRuns, mode } from "gridcode/source.js";

const report = mode === "report";

/** Where an address leads: view, and id or ids, unit, section, step. */
export function parse(hash) {
  const [path, query] = hash.replace(/^#/, "").split("?");
  const at = new URLSearchParams(query).get("step");
  const step = at === null ? null : Number(at);
  if (report) {
    const unit = /^unit-(.+)$/.exec(path)?.[1];
    const section = unit ? null : path || null;
    return {
      view: "run",
      id: inlineRuns[0],
      unit: unit ? decodeURIComponent(unit) : null,
      section,
      step,
    };
  }
  const [view, ...names] = path.split("/").slice(1).map(decodeURIComponent);
  if (view === "run" && names[0]) {
    const [id, kind, name = null] = names;
    const [unit, section] = ["unit", "section"].map((each) => (kind === each ? name : null));
    return { view, id, unit, section, step };
  }
  if (view === "sweep" && names[0]) return { view, id: names[0] };
  if (view === "compare") return { view, ids: [...new Set(names.filter(Boolean))] };
  if (view) return { view: "unknown" };
  return mode === "compare" ? { view: "compare", ids: inlineRuns } : { view: "runs" };
}

/** Whether two addresses are on one page: only the unit, section or step differs. */
export const samePage = (a, b) =>
  a.view === b.view && a.id === b.id && a.ids?.join("/") === b.ids?.join("/");

const runPath = (id) => `#/run/${encodeURIComponent(id)}`;
export const runHref = (id) => (report ? "#" : runPath(id));
export const unitHref = (id, unit) =>
  (report ? "#unit-" : `${runPath(id)}/unit/`) + encodeURIComponent(unit);
export const sectionHref = (id, section) =>
  report ? `#${section}` : `${runPath(id)}/section/${section}`;
export const compareHref = (ids) => `#/compare/${ids.map(encodeURIComponent).join("/")}`;

export const sweepHref = (id) => `#/sweep/${encodeURIComponent(id)}`;

/** The training step of this address as the end of another: "?step=400" or "". */
export function stepQuery() {
  writeStep();
  return location.hash.match(/\?.*/)?.[0] ?? "";
}

/** Goes to an address; `replace` leaves no entry in the history. */
export function go(href, { replace = false } = {}) {
  writeStep();
  // An added entry has the page it came from before it; a replaced one stays what it was.
  if (replace) history.replaceState(history.state, "", addressOf(href));
  else history.pushState({ within: true }, "", addressOf(href));
  dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
}

let waiting = null; // {path, step, timer}: a step that is not in the address yet

/** Writes the training step into the address, null for none, once it stays for a moment. */
export function keepStep(step) {
  clearTimeout(waiting?.timer);
  waiting = { path: location.hash.split("?")[0], step, timer: setTimeout(writeStep, 200) };
}

function writeStep() {
  if (!waiting) return;
  const { path, step, timer } = waiting;
  waiting = null;
  clearTimeout(timer);
  if (location.hash.split("?")[0] !== path) return; // another page by now
  const href = `${path || "#"}${step === null ? "" : `?step=${step}`}`;
  history.replaceState(history.state, "", addressOf(href));
}

const addressOf = (href) => (href === "#" ? location.pathname + location.search : href);
