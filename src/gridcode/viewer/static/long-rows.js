/** The rows of a long table: made when the reader comes near them, kept while nothing changes. */

import { h } from "gridcode/dom.js";

const PART = 100;

/**
 * Fills a table's body. The result shows items in their order: `make` makes the element of one, and
 * `textOf` is what it is made of, so that an element is made again only where that has changed;
 * `refresh` takes an element that is shown, and its item.
 */
export function longRows(body, { make, keyOf, textOf, refresh = () => {}, signal }) {
  const made = new Map(); // key: {text, element}
  let items = [];
  let length = PART;
  const end = h("tr.more", { "aria-hidden": "true" });
  const near = new IntersectionObserver(
    (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      length += PART;
      lay();
    },
    { rootMargin: "800px" },
  );
  near.observe(end);
  signal.addEventListener("abort", () => near.disconnect());

  function elementOf(item) {
    const key = keyOf(item);
    const text = textOf(item);
    if (made.get(key)?.text !== text) made.set(key, { text, element: make(item) });
    const { element } = made.get(key);
    refresh(element, item);
    return element;
  }

  function lay() {
    const wanted = items.slice(0, length).map(elementOf);
    if (wanted.length < items.length) wanted.push(end);
    // Moving what is in its place already would load its picture again and lose the focus.
    wanted.forEach((element, k) => {
      if (body.children[k] !== element) body.insertBefore(element, body.children[k] ?? null);
    });
    while (body.children.length > wanted.length) body.lastElementChild.remove();
    if (end.isConnected) {
      near.unobserve(end); // so that it is told again where the end is still near
      near.observe(end);
    }
  }

  return {
    /** Shows these items; `anew` begins with the first part again. */
    show(list, { anew = false } = {}) {
      items = list;
      if (anew) length = PART;
      lay();
    },
    /** Makes every element again. */
    forget() {
      made.clear();
    },
  };
}
