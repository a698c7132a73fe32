/** One unit in a gallery: its map framed in the colour of its module, with labelled numbers. */

import { inkOn, isModule, moduleColour } from "gridcode/colours.js";
import { h, replace } from "gridcode/dom.js";
import { fixed, known, metres, pText } from "gridcode/format.js";
import { drawRateMap } from "gridcode/maps.js";

const moduleStyle = (module) => ({
  "--module": moduleColour(module),
  "--module-ink": inkOn(moduleColour(module)),
});

/** What drives a unit beside its grid, which its type says: "grid + head direction"; or "". */
export const tuningText = ({ tuning }) => (tuning && tuning !== "grid" ? tuning : "");

/** A unit's numbers as short labelled lines; `score` is that of the map shown. */
export function unitLines(row, score = row.grid_score) {
  return [
    `unit ${row.unit}`,
    row.type,
    tuningText(row),
    known(score) && `score ${fixed(score)}`,
    known(row.lattice_p_value) && `lattice p ${pText(row.lattice_p_value)}`,
    known(row.spacing_m) && `spacing ${metres(row.spacing_m)}`,
    row.peak && `peak ${row.peak}`,
  ].filter(Boolean);
}

/** A tile that opens its unit; its `draw` takes a map and the score of that map. */
export function unitTile(row, { size, onOpen }) {
  const name = String(row.unit);
  const inModule = isModule(row.module);
  const canvas = h("canvas", { "aria-hidden": "true" });
  const caption = h("span.caption");
  const frame = h(
    inModule ? "span.frame.in-module" : "span.frame",
    { style: moduleStyle(row.module) },
    canvas,
    inModule && h("span.badge", row.module),
  );
  const element = h(
    "button.tile",
    { style: { "--tile": `${size}px` }, onclick: () => onOpen(name) },
    frame,
    caption,
  );
  let side = size;
  const label = (score) => {
    const [title, ...facts] = unitLines(row, score);
    replace(
      caption,
      h("strong", title),
      facts.map((fact) => h("span", fact)),
    );
    const module = inModule ? [`module ${row.module}`] : [];
    element.setAttribute("aria-label", [`Unit ${name}`, ...facts, ...module].join(", "));
  };
  label();
  return {
    element,
    canvas,
    /** `place`: as for `drawRateMap`. */
    draw(map, score, place) {
      drawRateMap(canvas, map, { size: side, place });
      label(score);
    },
    /** Takes effect when the map is drawn next. */
    resize(next) {
      side = next;
      element.style.setProperty("--tile", `${next}px`);
    },
  };
}

/** A small square in a module's colour, with its number. */
export const swatch = (module) =>
  h(
    isModule(module) ? "span.swatch" : "span.swatch.none",
    { style: moduleStyle(module), "aria-hidden": "true" },
    isModule(module) && String(module),
  );

/** The heading of a module's units, or of those in none, with facts beside it. */
export const moduleHeading = (tag, module, facts) =>
  h(
    `${tag}.module-name`,
    swatch(module),
    isModule(module) ? `Module ${module}` : "In no module",
    h("span.faint", facts),
  );
