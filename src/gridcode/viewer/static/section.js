/** Sections of a long page: filled one after another when the browser has time, those near the window first, all before a jump to one. */

import { failure, h, painted } from "gridcode/dom.js";

/**
 * A section of a page.
 * @typedef {{id: string, title: string, short?: string, fill: function(HTMLElement): (void|Promise<void>)}} Section `short` is its
 *   name in the list of contents
 */

/**
 * Lays sections out and fills them.
 * @param {HTMLElement} element
 * @param {Section[]} sections
 * @param {AbortSignal} signal stops the filling
 * @returns {{show: function(string): Promise<void>, filled: Promise<void>}} `show` brings a section into view
 */
export function laySections(element, sections, signal) {
  const items = sections.map((section) => {
    const heading = h("h2", { tabindex: -1 }, section.title);
    const body = h("div", { class: "section-body" });
    return {
      ...section,
      heading,
      body,
      element: h("section", { class: "section", "data-section": section.id }, heading, body),
      done: null,
    };
  });
  element.append(...items.map((item) => item.element));

  const fill = (item) =>
    (item.done ??= (async () => {
      item.body.setAttribute("aria-busy", "true");
      try {
        await item.fill(item.body);
      } catch (error) {
        item.body.append(failure("This part could not be shown", error));
      } finally {
        item.body.removeAttribute("aria-busy");
      }
    })());

  const near = new IntersectionObserver(
    (entries) =>
      entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => fill(items.find((item) => item.element === target))),
    { rootMargin: "300px" },
  );
  items.forEach((item) => near.observe(item.element));
  signal.addEventListener("abort", () => near.disconnect());

  const filled = (async () => {
    for (const item of items) {
      await idle();
      if (signal.aborted) return;
      await fill(item);
    }
  })();

  return {
    filled,
    async show(id) {
      const at = items.findIndex((item) => item.id === id);
      if (at < 0) return;
      items[at].element.scrollIntoView();
      items[at].heading.focus({ preventScroll: true });
      await Promise.all(items.slice(0, at + 1).map(fill)); // what comes above changes where it is
      if (!signal.aborted) items[at].element.scrollIntoView();
    },
  };
}

/** An explanatory paragraph above a figure. */
export const note = (...text) => h("p", { class: "note" }, text);

/** A place for a chart, which brings its own title. */
export function place(kind = "") {
  const inner = h("div", { class: "chart-place" });
  return { inner, element: h("div", { class: `figure ${kind}` }, inner) };
}

function idle() {
  if (!window.requestIdleCallback) return painted();
  return new Promise((resolve) => requestIdleCallback(() => resolve(), { timeout: 1500 }));
}
