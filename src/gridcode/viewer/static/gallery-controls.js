/** What chooses among the units of a gallery: module, type, order, arena, name. */

import { h, select } from "gridcode/dom.js";
import { swatch } from "gridcode/tile.js";
import { groupName } from "gridcode/words.js";

/** Orders within a module; the first is that of a new page. */
export const ORDERS = {
  score: { label: "tested score", compare: (a, b) => silentLast(a, b) || (b.grid_score ?? -9) - (a.grid_score ?? -9) },
  spacing: { label: "spacing", compare: (a, b) => (a.spacing_m ?? Infinity) - (b.spacing_m ?? Infinity) || 0 },
  unit: { label: "unit", compare: (a, b) => a.index - b.index },
};
const silentLast = (a, b) => (a.type === "silent") - (b.type === "silent");

/** A button for each module, which shows its units only. */
export function moduleButtons(rows, chosen, arrange) {
  const keys = [...new Set(rows.map((row) => row.module))].sort((a, b) => (a ?? Infinity) - (b ?? Infinity));
  if (keys.length < 2) return null;
  const buttons = keys.map((key) => {
    const value = String(key ?? "none");
    const number = rows.filter((row) => row.module === key).length;
    return h(
      "button",
      {
        type: "button",
        class: "chip",
        "aria-pressed": "false",
        onclick: () => {
          chosen.module = chosen.module === value ? "" : value;
          buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(String(keys[k] ?? "none") === chosen.module)));
          arrange();
        },
      },
      swatch(key),
      `${key === null ? "none" : `module ${key}`} `,
      h("span", { class: "faint" }, number),
    );
  });
  return h("div", { class: "chips", role: "group", "aria-label": "Show one module only" }, buttons);
}

/** Menus and the search field. `arena.choose` takes a group of maps; its menu is put into `arena.select`. */
export function pickers(rows, run, chosen, arrange, arena) {
  const types = [...new Set(rows.map((row) => row.type).filter(Boolean))].sort();
  const set = (name) => (event) => {
    chosen[name] = event.target.value.trim().toLowerCase();
    arrange();
  };
  const several = run.groups.filter((group) => run.has.maps.includes(group.group));
  const place =
    several.length > 1 &&
    select(
      "Arena",
      several.map((group) => [group.group, groupName(group)]),
      run.headline_group,
      (event) => arena.choose(event.target.value),
    );
  if (place) arena.select = place.querySelector("select");
  return h(
    "div",
    { class: "pickers" },
    types.length > 1 &&
      select(
        "Type",
        [["", "all types"], ...types.map((type) => [type, `${type} (${rows.filter((row) => row.type === type).length})`])],
        "",
        set("type"),
      ),
    types.length > 0 &&
      select(
        "Order",
        Object.entries(ORDERS).map(([key, { label }]) => [key, `by ${label}`]),
        "score",
        set("order"),
      ),
    place,
    h(
      "label",
      { class: "field" },
      h("span", {}, "Unit"),
      h("input", { type: "search", size: 8, placeholder: "name", autocomplete: "off", spellcheck: "false", oninput: set("text") }),
    ),
  );
}
