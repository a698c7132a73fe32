/** Every number of a unit, with its unit of measurement and meaning; terms of docs/metrics.md. */

import { h } from "gridcode/dom.js";
import { fixed, known, pText, percent, short, whole } from "gridcode/format.js";

const decimals =
  (digits, unit = "") =>
  (value) =>
    fixed(value, digits) + unit;
const digits = (number) => (value) => short(value, number);
const vectors = (value) => value.map(([x, y]) => `(${fixed(x)}, ${fixed(y)})`).join(" ") + " m";
const shares = (value) => value.map((part) => percent(part)).join(", ");

/** Groups of [key, name, how it is written, what it means]. */
const FACTS = {
  Scores: [
    [
      "grid_score",
      "hexagonal score",
      decimals(2),
      "autocorrelogram turned by 60° and 120° against 30°, 90° and 150° (min–max)",
    ],
    ["grid_score_null_95", "95% of nulls below", decimals(2), "what 95% of its own null maps score at most"],
    ["mean60", "mean form", decimals(2), "the same with means instead of extremes"],
    ["corrected", "corrected", decimals(2), "hexagonal score after undoing the lattice's shear"],
    ["square", "square score", decimals(2), "turned by 90° against 45° and 135°"],
  ],
  "p-values": [
    [
      "lattice_p_value",
      "lattice of any shape",
      pText,
      "how often null maps of the unit are as near to a lattice",
    ],
    ["q_value", "q", pText, "the same, adjusted for all active units (Benjamini–Hochberg); decides the type"],
    ["lattice_z", "lattice z", decimals(1), "strength of the lattice, in standard deviations of its null"],
    ["grid_score_p_value", "grid score", pText, "how often null maps score as high"],
    ["band_p_value", "band", pText, "the same for the variance explained by one plane wave"],
    ["null_maps", "null maps", decimals(0), "more are drawn where the verdict could still turn"],
    ["spatial_p_value", "spatial", pText, "whether activity depends on place at all"],
    ["shift_p_value", "circular shift", pText, "score against activity shifted in time"],
  ],
  Lattice: [
    ["spacing_m", "spacing", decimals(3, " m"), "distance between neighbouring fields"],
    ["spacing_error_m", "its standard error", decimals(4, " m"), "of the least squares fit"],
    ["orientation_deg", "orientation", decimals(1, "°"), "axis nearest to the x axis"],
    ["orientation_error_deg", "its standard error", decimals(2, "°"), "of the least squares fit"],
    [
      "axis_ratio",
      "axis ratio",
      decimals(2),
      "short over long axis of the ellipse through six neighbours; 1 hexagonal, 0.58 square",
    ],
    ["ellipse_deg", "ellipse", decimals(1, "°"), "direction of its long axis"],
    ["peaks_used", "peaks used", whole, "that the fit rests on, mirror images once"],
    ["vectors_m", "lattice vectors", vectors, "x, y of the two shortest"],
    ["phase", "phase", shares, "share of each vector, from the arena's middle"],
  ],
  "Head direction, speed and borders": [
    [
      "mean_vector_length",
      "mean vector",
      decimals(2),
      "of the rate by head direction; 0: none, 1: one direction only",
    ],
    ["preferred_direction_deg", "preferred direction", decimals(0, "°"), "from the x axis"],
    ["direction_p_value", "head direction p", pText, "against activity shifted in time"],
    ["speed_score", "speed score", decimals(2), "correlation of rate and running speed"],
    ["speed_p_value", "speed p", pText, "against activity shifted in time"],
    ["border_score", "border score", decimals(2), "fields along walls; −1 to 1"],
    ["border_p_value", "border p", pText, "against activity shifted in time"],
  ],
  "Fields and information": [
    ["field_count", "fields", whole, "regions above half of their own height"],
    [
      "field_size_m",
      "field size",
      decimals(3, " m"),
      "diameter of the median field at half height",
    ],
    ["peak_rate", "peak", digits(3), "highest bin of the rate map, in the unit of the maps"],
    ["mean_rate", "mean", digits(3), "over visited bins, in the unit of the maps"],
    ["information_bits", "information", decimals(2, " bits"), "per spike, or per unit of activity"],
    ["information_bits_per_s", "information rate", digits(3), "bits times the unit of the maps"],
    ["sparsity", "sparsity", decimals(2), "1: equally active everywhere; near 0: in few places"],
    ["coherence", "coherence", decimals(2), "correlation of every bin with its neighbours"],
    ["stability", "stability", decimals(2), "correlation of maps of the two halves of the walk"],
  ],
};

/** All known numbers of a unit, from its row, as lists. */
export const facts = (row) =>
  h(
    "div.facts",
    Object.entries(FACTS).map(([title, list]) => {
      const measured = list.filter(([key]) => [row[key]].flat(2).every(known));
      const lines = measured.map(([key, name, write, meaning]) =>
        h("div", h("dt", name), h("dd", write(row[key])), h("dd.faint", meaning)),
      );
      return lines.length > 0 && h("section", h("h3", title), h("dl", lines));
    }),
  );
