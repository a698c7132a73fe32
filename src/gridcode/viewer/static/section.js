/** Sections of a long page, filled one after another, and what they are filled with. */

import { chart } from "gridcode/chart.js";
import { failure, h, painted } from "gridcode/dom.js";
import { table } from "gridcode/table.js";

/**
 * Lays sections out, {id, title, fill}, and fills them one after another; the function returned
 * brings a section into view.
 */
export function laySections(element, sections, signal) {
  const items = sections.map((section) => {
    const heading = h("h2", { tabindex: -1 }, section.title);
    const body = h("div.section-body", { "aria-busy": "true" });
    const frame = h("section.section", { "data-section": section.id }, heading, body);
    return { ...section, heading, body, frame, done: null };
  });
  element.append(...items.map(({ frame }) => frame));

  const fill = (item) =>
    (item.done ??= (async () => {
      try {
        await item.fill(item.body);
      } catch (error) {
        item.body.append(failure("This part could not be shown", error));
      } finally {
        item.body.removeAttribute("aria-busy");
      }
    })());

  fillAll();

  async function fillAll() {
    for (const item of items) {
      await painted();
      if (signal.aborted) return;
      await fill(item);
    }
  }

  return async (id) => {
    const at = items.findIndex((item) => item.id === id);
    if (at < 0) return;
    items[at].frame.scrollIntoView();
    items[at].heading.focus({ preventScroll: true });
    await Promise.all(items.slice(0, at + 1).map(fill)); // what is above changes where it is
    if (!signal.aborted) items[at].frame.scrollIntoView();
  };
}

/** An explanatory paragraph above a figure. */
export const note = (...text) => h("p.note", text);

/** Adds charts side by side: `kind` is "halves", "thirds" or "wide". */
export function chartGrid(body, kind, specs, signal) {
  const grid = h(`div.grid.${kind}`);
  body.append(grid);
  return specs.map((spec) => {
    const place = h("div.figure");
    grid.append(place);
    return chart(place, spec, signal);
  });
}

/** Adds a table of the run, if there is one of that name; `onRow` takes a chosen unit. */
export function addTable(body, run, name, label, onRow) {
  const found = run.tables[name];
  if (found?.rows.length) body.append(table(found, { label, name: `${run.id}-${name}`, onRow }));
}
