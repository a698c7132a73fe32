/** Keys that work everywhere, and the list of all keys that `?` shows. */

import { h } from "gridcode/dom.js";

const KEYS = [
  ["?", "this list"],
  ["/", "search"],
  ["← → ↑ ↓", "among the maps: go from unit to unit"],
  ["Home, End", "among the maps: first and last unit"],
  ["Enter", "open the unit"],
  ["← →", "on the page of a unit: previous and next unit"],
  ["← →, Home, End", "on the slider: training steps"],
  ["+ − 0", "on an enlarged map: zoom in, zoom out, the whole map"],
  ["← → ↑ ↓", "on an enlarged map: move"],
  ["Esc", "close"],
];

/** The button that shows the list; listens for the keys. */
export function keysButton() {
  const dialog = h(
    "dialog.keys",
    { "aria-labelledby": "keys-title" },
    h("strong", { id: "keys-title" }, "Keys"),
    h(
      "dl",
      KEYS.map(([key, meaning]) => [h("dt", h("kbd", key)), h("dd", meaning)]),
    ),
    h("button.quiet", { onclick: () => dialog.close() }, "Close"),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.matches("input:not([type=range], [type=checkbox]), select")) return;
    if (event.key === "?") {
      if (dialog.open) dialog.close();
      else dialog.showModal();
    }
    const search = document.querySelector("input[type=search]");
    if (event.key === "/" && search && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      search.focus();
    }
  });
  const show = () => dialog.showModal();
  const attributes = { "aria-label": "Keys", title: "Keys (?)", "aria-haspopup": "dialog" };
  return h("button.quiet", { ...attributes, onclick: show }, "?");
}
