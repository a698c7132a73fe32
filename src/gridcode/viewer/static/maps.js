/** Rate maps and autocorrelograms, with the content of the figures of gridcode.report. */

import { dot, fitBox, paint, prepare, scaleBar } from "gridcode/canvas.js";
import { palette } from "gridcode/colours.js";
import { NOTHING } from "gridcode/decode.js";
import { short } from "gridcode/format.js";
import { placeText, pointable } from "gridcode/pointed.js";

/**
 * A rate map from 0 to its peak, never visited bins grey; `binM` (m) adds a scale bar. With `place`,
 * {binM, unit of the rates}, the pointer shows place and rate.
 */
export function drawRateMap(canvas, map, { size, binM = null, label = "", place = null }) {
  const context = prepare(canvas, size, label);
  const box = fitBox(size, map);
  const peak = map.high > 0 ? map.high : 1;
  paint(context, map, box, { palette: palette("viridis"), position: (value) => value / peak });
  if (binM) scaleBar(context, box, map.columns * binM, "m");
  const drawn = { slice: map, box, size };
  if (place) pointable(canvas, drawn, placeText(place));
  return drawn;
}

/** What a rate map shows, in words. */
export const rateMapLabel = (unit, map, where) =>
  `Rate map of unit ${unit} in ${where}, from 0 to its peak of ${short(map.peak ?? map.high)}`;

/**
 * An autocorrelogram, blue at -1 to red at 1, with lines to the six neighbours of the fitted
 * lattice. Rows of `half` are lags of y of 0, 1, ... bins; the rest is their point reflection.
 */
export function drawCorrelogram(canvas, half, { size, binM, vectorsM, label }) {
  const context = prepare(canvas, size, label);
  const slice = unfold(half);
  const box = fitBox(size, slice);
  paint(context, slice, box, { palette: palette("RdBu"), position: (value) => (value + 1) / 2 });
  if (isLattice(vectorsM)) {
    context.save();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    context.strokeStyle = "#111";
    context.lineWidth = 1.4;
    const scale = box.width / (slice.columns * binM);
    for (const [x, y] of neighbours(vectorsM)) {
      const end = [size / 2 + x * scale, size / 2 - y * scale];
      context.beginPath();
      context.moveTo(size / 2, size / 2);
      context.lineTo(...end);
      context.stroke();
      dot(context, end, 3, "#111");
    }
    context.restore();
  }
  scaleBar(context, box, slice.columns * binM, "m");
  return { slice, box, size };
}

/** The six neighbours of a lattice point by angle, for vectors 60 to 90 degrees apart. */
export function neighbours([a, b]) {
  const second = a[0] * b[0] + a[1] * b[1] < 0 ? b.map((part) => -part) : b;
  const third = [second[0] - a[0], second[1] - a[1]];
  const half = [a, second, third];
  const all = [...half, ...half.map(([x, y]) => [-x, -y])];
  return all.sort((p, q) => Math.atan2(p[1], p[0]) - Math.atan2(q[1], q[0]));
}

/** Whether these are two vectors of finite numbers. */
export const isLattice = (vectors) =>
  Array.isArray(vectors) && vectors.length === 2 && vectors.flat().every(Number.isFinite);

/** Both halves of a correlogram: c(-lag) = c(lag). */
function unfold(half) {
  const { columns } = half;
  const rows = 2 * half.rows - 1;
  const middle = half.rows - 1;
  const bytes = new Uint8Array(rows * columns).fill(NOTHING);
  bytes.set(half.bytes, middle * columns);
  for (let lag = 1; lag < half.rows; lag++) {
    const row = half.bytes.slice(lag * columns, (lag + 1) * columns).reverse();
    bytes.set(row, (middle - lag) * columns);
  }
  return { ...half, bytes, rows };
}
