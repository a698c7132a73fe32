/** Every number of a unit, with its unit of measurement and what it means; terms as in docs/metrics.md. */

import { h } from "gridcode/dom.js";
import { MISSING, fixed, pText, percent, short, whole } from "gridcode/format.js";

const plain = (digits) => (value) => short(value, digits);
const to =
  (digits, unit = "") =>
  (value) =>
    value === null || value === undefined ? MISSING : `${fixed(value, digits)}${unit}`;

/** Groups of [key, name, how it is written, what it means]. */
const FACTS = [
  [
    "Scores",
    [
      [
        "grid_score",
        "hexagonal score",
        to(2),
        "autocorrelogram turned by 60° and 120° against 30°, 90° and 150° (min–max)",
      ],
      ["null_95", "95% of nulls below", to(2), "what 95% of the unit's own null maps score at most"],
      ["mean60", "mean form", to(2), "the same with means instead of extremes"],
      ["corrected", "corrected", to(2), "hexagonal score after the lattice's shear is undone"],
      ["square", "square score", to(2), "turned by 90° against 45° and 135°"],
    ],
  ],
  [
    "p-values",
    [
      ["p_value", "hexagonal", pText, "how often null maps of the unit score as high"],
      ["lattice_p_value", "lattice of any shape", pText, "the same for the corrected score"],
      ["square_p_value", "square", pText, "the same for the square score"],
      ["band_p_value", "band", pText, "the same for the variance that one plane wave explains"],
      ["any_lattice_p_value", "any lattice", pText, "three times the smallest of the first three; the type rests on it"],
      ["q_value", "q", pText, "any lattice, adjusted for all active units (Benjamini and Hochberg)"],
      ["spatial_p_value", "spatial", pText, "whether activity depends on place at all"],
      ["shift_p_value", "circular shift", pText, "score against activity shifted in time"],
    ],
  ],
  [
    "Lattice",
    [
      ["spacing_m", "spacing", to(3, " m"), "distance between neighbouring fields"],
      ["spacing_error_m", "its standard error", to(4, " m"), "of the least squares fit"],
      ["orientation_deg", "orientation", to(1, "°"), "axis nearest to the x axis"],
      ["orientation_error_deg", "its standard error", to(2, "°"), "of the least squares fit"],
      ["axis_ratio", "axis ratio", to(2), "short over long axis of the ellipse through six neighbours; 1 hexagonal, 0.58 square"],
      ["ellipse_deg", "ellipse", to(1, "°"), "direction of its long axis"],
      ["peaks_used", "peaks used", whole, "that the fit rests on, mirror images once"],
      ["vectors_m", "lattice vectors", vectors, "x, y of the two shortest"],
      ["phase", "phase", phase, "share of each vector, from the arena's middle"],
    ],
  ],
  [
    "Fields and information",
    [
      ["field_count", "fields", whole, "regions above half of their own height"],
      ["field_size_m", "field size", to(3, " m"), "diameter of the median whole field at half height"],
      ["peak_rate", "peak", plain(3), "highest bin of the rate map, in the maps' own unit"],
      ["mean_rate", "mean", plain(3), "over visited bins, in the maps' own unit"],
      ["information_bits", "information", to(2, " bits"), "per spike, or per unit of activity"],
      ["information_bits_per_s", "information rate", plain(3), "bits times the maps' unit"],
      ["sparsity", "sparsity", to(2), "1: active everywhere alike; near 0: in few places"],
      ["coherence", "coherence", to(2), "correlation of every bin with its neighbours"],
      ["stability", "stability", to(2), "correlation of maps of the two halves of the walk"],
    ],
  ],
];
const NOT_LISTED = new Set(["unit", "type", "module", "silent", "minmax", "scores", "evidence", "reason", "index"]);

/**
 * All numbers of a unit as lists.
 * @param {Object} row
 * @returns {HTMLElement}
 */
export function facts(row) {
  const told = new Set(FACTS.flatMap(([, list]) => list.map(([key]) => key)));
  const others = Object.keys(row).filter((key) => !told.has(key) && !NOT_LISTED.has(key) && typeof row[key] === "number");
  const more = others.map((key) => [key, key.replaceAll("_", " "), plain(3), ""]);
  return h(
    "div",
    { class: "facts" },
    [...FACTS, ["Others", more]].map(([title, list]) => group(title, list, row)),
  );
}

function group(title, list, row) {
  const known = list.filter(([key]) => row[key] !== null && row[key] !== undefined);
  if (!known.length) return null;
  return h(
    "section",
    {},
    h("h3", {}, title),
    h(
      "dl",
      { class: "numbers" },
      known.map(([key, name, write, meaning]) =>
        h("div", {}, h("dt", {}, name), h("dd", {}, write(row[key])), h("dd", { class: "faint" }, meaning)),
      ),
    ),
  );
}

function vectors(value) {
  if (!Array.isArray(value) || value.flat().some((part) => part === null)) return MISSING;
  return value.map(([x, y]) => `(${fixed(x, 2)}, ${fixed(y, 2)})`).join(" ") + " m";
}

function phase(value) {
  if (!Array.isArray(value) || value.some((part) => part === null)) return MISSING;
  return value.map((part) => percent(part)).join(", ");
}
