/** Addresses within the page. A report is one run, so `#unit-17`; elsewhere `#/run/ID/unit/17`, `#/compare/ID1/ID2`. */

import { inlineNames, mode } from "gridcode/source.js";

/** The only run of a report. */
const sole =
  mode === "report"
    ? (inlineNames()
        .map((name) => /^runs\/([^/]+)\/run$/.exec(name)?.[1])
        .find(Boolean) ?? null)
    : null;

/**
 * Where an address leads.
 * @param {string} hash
 * @returns {{view: "run"|"runs"|"compare"|"unknown", id?: string, ids?: string[], unit?: string|null, section?: string|null}}
 */
export function parse(hash) {
  const text = hash.replace(/^#/, "");
  if (mode === "report") {
    const unit = /^unit-(.+)$/.exec(text)?.[1];
    return { view: "run", id: sole, unit: unit ? clear(unit) : null, section: unit ? null : text || null };
  }
  const parts = text.split("/").slice(1).map(clear);
  if (parts[0] === "run" && parts[1]) {
    const [, id, kind = null, name = null] = parts;
    return { view: "run", id, unit: kind === "unit" ? name : null, section: kind === "section" ? name : null };
  }
  if (parts[0] === "compare") return { view: "compare", ids: [...new Set(parts.slice(1).filter(Boolean))] };
  if (parts[0]) return { view: "unknown" };
  return mode === "compare" ? { view: "compare", ids: [] } : { view: "runs" };
}

/** Two addresses on one page: only the unit or section differs. */
export const samePage = (a, b) => a && b && a.view === b.view && a.id === b.id && (a.ids ?? []).join("/") === (b.ids ?? []).join("/");

export const runHref = (id) => (mode === "report" ? "#" : `#/run/${encodeURIComponent(id)}`);
export const unitHref = (id, unit) =>
  mode === "report" ? `#unit-${encodeURIComponent(unit)}` : `#/run/${encodeURIComponent(id)}/unit/${encodeURIComponent(unit)}`;
export const sectionHref = (id, section) => (mode === "report" ? `#${section}` : `#/run/${encodeURIComponent(id)}/section/${section}`);
export const compareHref = (ids) => `#/compare/${ids.map(encodeURIComponent).join("/")}`;

/** Goes to an address; `replace` leaves no step in the history. Tells the router, as `pushState` does not. */
export function go(href, { replace = false } = {}) {
  try {
    // An entry that was replaced keeps what it was: only one that was added has the page it came from before it.
    history[replace ? "replaceState" : "pushState"](replace ? history.state : { within: true }, "", href === "#" ? location.pathname + location.search : href);
  } catch {
    location.hash = href; // pages opened from a file, in some browsers
    return;
  }
  dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
}

function clear(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
