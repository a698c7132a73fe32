/** What chooses among the units of a gallery: module, type, order, arena, name. */

import { h, search, select } from "gridcode/dom.js";
import { groupName } from "gridcode/format.js";
import { modulesOf } from "gridcode/gallery.js";
import { swatch } from "gridcode/tile.js";

const silentLast = (a, b) => (a.type === "silent") - (b.type === "silent");
const ORDERS = {
  score: (a, b) => silentLast(a, b) || (b.grid_score ?? -9) - (a.grid_score ?? -9),
  spacing: (a, b) => (a.spacing_m ?? 1e9) - (b.spacing_m ?? 1e9),
  unit: (a, b) => a.index - b.index,
};

const SIZES = { small: 1, medium: 1.6, large: 2.6 };

/**
 * The controls; `onChange`: other units or another order, `onArena`: another group of maps,
 * `resize`: a factor for the size of the maps.
 */
export function galleryControls(rows, run, { onChange, onArena, resize }) {
  const chosen = { order: "score", type: "", module: "", text: "" };
  const set = (name) => (value) => {
    chosen[name] = value;
    onChange();
  };
  const status = h("p.faint", { role: "status" });
  const types = Object.entries(Object.groupBy(rows, (row) => row.type ?? "")).sort();
  const groups = run.groups.filter(({ group }) => run.has.maps.includes(group));
  const arenas = groups.map((group) => [group.group, groupName(group)]);
  const arena = groups.length > 1 && select("Arena", arenas, run.headline_group, onArena);
  const counted = types.map(([type, list]) => [type, `${type} (${list.length})`]);
  const orders = Object.keys(ORDERS).map((name) => [name, `by ${name}`]);
  const sizes = Object.keys(SIZES).map((name) => [name, name]);
  const menus = [
    types.length > 1 && select("Type", [["", "all types"], ...counted], "", set("type")),
    run.evaluated && select("Order", orders, "score", set("order")),
    arena,
    select("Maps", sizes, "small", (name) => resize(SIZES[name])),
    search("Unit", "name", set("text")),
  ];
  return {
    element: h(
      "div.controls",
      moduleChips(rows, chosen, onChange),
      h("div.pickers", menus),
      status,
    ),
    wanted: (row) =>
      (!chosen.type || row.type === chosen.type) &&
      (chosen.module === "" || row.module === chosen.module) &&
      String(row.unit).toLowerCase().includes(chosen.text),
    compare: (a, b) => ORDERS[chosen.order](a, b),
    count: (text) => (status.textContent = text),
    setArena: (name) => arena && (arena.querySelector("select").value = name),
  };
}

/** A button for each module, which shows its units only. */
function moduleChips(rows, chosen, onChange) {
  const keys = modulesOf(rows);
  if (keys.length < 2) return null;
  const chips = keys.map((key) =>
    h(
      "button.chip",
      { "aria-pressed": "false", onclick: () => choose(key) },
      swatch(key),
      key === null ? "none " : `module ${key} `,
      h("span.faint", rows.filter((row) => row.module === key).length),
    ),
  );
  function choose(key) {
    chosen.module = chosen.module === key ? "" : key;
    chips.forEach((chip, k) => chip.setAttribute("aria-pressed", keys[k] === chosen.module));
    onChange();
  }
  return h("div.chips", { role: "group", "aria-label": "Show one module only" }, chips);
}
