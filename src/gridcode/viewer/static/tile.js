/** One unit in a gallery: a button with its map, name, score and type, framed in the colour of its module. */

import { h } from "gridcode/dom.js";
import { inkOn, isModule, moduleColour } from "gridcode/colours.js";
import { fixed } from "gridcode/format.js";
import { drawRateMap } from "gridcode/maps.js";

/** Side of a map in a gallery, CSS pixels; smaller on phones, so that four stand in a row. */
export const tileSize = () => (matchMedia("(max-width: 600px)").matches ? 72 : 92);

/**
 * A tile.
 * @param {Object} row of the unit
 * @param {{size: number, onOpen: function(string)}} options
 * @returns {{element: HTMLElement, canvas: HTMLCanvasElement, draw: function(import("gridcode/decode.js").Slice, ?number)}}
 *   `draw` takes a map and the score to write beside it
 */
export function unitTile(row, { size, onOpen }) {
  const name = String(row.unit);
  const colour = moduleColour(row.module);
  const canvas = h("canvas", { "aria-hidden": "true" });
  const score = h("span", { class: "score" });
  const frame = h(
    "span",
    { class: isModule(row.module) ? "frame in-module" : "frame", style: { "--module": colour, "--module-ink": inkOn(colour) } },
    canvas,
    isModule(row.module) && h("span", { class: "badge" }, row.module),
  );
  const caption = h("span", { class: "caption" }, h("span", { class: "name" }, name), score);
  const kind = h("span", { class: "kind" }, row.type ?? "");
  const element = h(
    "button",
    { type: "button", class: "tile", style: { "--tile": `${size}px` }, onclick: () => onOpen(name) },
    frame,
    caption,
    kind,
  );
  const tell = (value) => {
    score.textContent = Number.isFinite(value) ? fixed(value) : "";
    const where = isModule(row.module) ? `, module ${row.module}` : "";
    element.setAttribute(
      "aria-label",
      `Unit ${name}${row.type ? `, ${row.type}` : ""}${where}${Number.isFinite(value) ? `, score ${fixed(value)}` : ""}`,
    );
  };
  tell(row.grid_score);
  return {
    element,
    canvas,
    draw(map, value = row.grid_score) {
      drawRateMap(canvas, map, { size, scaleBar: false });
      tell(value);
    },
  };
}

/** A small square in a module's colour, with its number. */
export function swatch(module) {
  const colour = moduleColour(module);
  return h(
    "span",
    {
      class: isModule(module) ? "swatch" : "swatch none",
      style: { "--module": colour, "--module-ink": inkOn(colour) },
      "aria-hidden": "true",
    },
    isModule(module) ? module : "",
  );
}
