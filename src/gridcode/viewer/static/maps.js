/** Rate maps and autocorrelograms, from thumbnails of 40 pixels to pictures of 400. Equal in content to the figures of gridcode.report. */

import { fitBox, lookUp, outlined, paintBytes, prepare } from "gridcode/canvas.js";
import { NOTHING, valueOf } from "gridcode/decode.js";
import { blueToRed, palette } from "gridcode/colours.js";
import { short } from "gridcode/format.js";

const BARS_M = [10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01];

/**
 * A rate map, coloured from 0 to its own peak; bins never visited are grey.
 * @param {HTMLCanvasElement} canvas
 * @param {import("gridcode/decode.js").Slice} map
 * @param {{size?: number, binM?: number, scaleBar?: boolean, label?: string}} [options] size in CSS pixels, binM the side of a bin in metres
 */
export function drawRateMap(canvas, map, { size = 88, binM = null, scaleBar = size >= 120, label = "" } = {}) {
  const context = prepare(canvas, size, size, label);
  const peak = map.high > 0 ? map.high : 1;
  const box = fitBox(size, map.rows, map.columns);
  paintBytes(
    context,
    map,
    lookUp(palette("viridis"), (byte) => valueOf(map, byte) / peak),
    box,
  );
  if (scaleBar && binM) drawScaleBar(context, box, map.columns * binM, (length) => `${short(length)} m`);
}

/** What a rate map shows, in a sentence. */
export function rateMapLabel(unit, map, where = "") {
  return `Rate map of unit ${unit}${where ? ` in ${where}` : ""}, from 0 to its peak of ${short(map.peak ?? map.high)}`;
}

/**
 * An autocorrelogram, blue at -1 to red at 1, with the fitted lattice: lines to the six neighbours of the middle.
 * @param {HTMLCanvasElement} canvas
 * @param {import("gridcode/decode.js").Slice} half rows are lag_y = 0, 1, ... bins; the other half is its point reflection
 * @param {{size?: number, binM: number, vectorsM?: number[][]|null, scaleBar?: boolean, label?: string}} options
 */
export function drawCorrelogram(canvas, half, { size = 200, binM, vectorsM = null, scaleBar = size >= 120, label = "" }) {
  const context = prepare(canvas, size, size, label);
  const whole = unfold(half);
  const box = fitBox(size, whole.rows, whole.columns);
  const table = lookUp(blueToRed(), (byte) => (valueOf(half, byte) + 1) / 2);
  paintBytes(context, whole, table, box);
  const scale = box.width / (whole.columns * binM);
  if (isLattice(vectorsM)) {
    context.save();
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    drawNeighbours(context, size / 2, size / 2, scale, vectorsM, size >= 120 ? 3 : 1.8);
    context.restore();
  }
  if (scaleBar) drawScaleBar(context, box, whole.columns * binM, (length) => `${short(length)} m`);
}

/** The six neighbours of a lattice point in order of angle, for lattice vectors 60 to 90 degrees apart. */
export function neighbours([a, b]) {
  const second = a[0] * b[0] + a[1] * b[1] < 0 ? [-b[0], -b[1]] : b;
  const third = [second[0] - a[0], second[1] - a[1]];
  const points = [a, second, third].flatMap(([x, y]) => [
    [x, y],
    [-x, -y],
  ]);
  return points.sort((p, q) => Math.atan2(p[1], p[0]) - Math.atan2(q[1], q[0]));
}

/** Whether these are two vectors of finite numbers. */
export const isLattice = (vectors) => Array.isArray(vectors) && vectors.length === 2 && vectors.flat().every(Number.isFinite);

/** A scale bar of about a quarter of the width. */
function drawScaleBar(context, box, extent, name) {
  const length = BARS_M.find((bar) => bar <= 0.3 * extent) ?? BARS_M.at(-1);
  const width = (length / extent) * box.width;
  const [x, y] = [box.x + 0.05 * box.width, box.y + 0.95 * box.height];
  context.fillStyle = "rgb(0 0 0 / 0.75)";
  context.fillRect(x - 1.5, y - 4.5, width + 3, 6);
  context.fillStyle = "white";
  context.fillRect(x, y - 3, width, 3);
  context.font = "500 11px system-ui, sans-serif";
  context.textBaseline = "alphabetic";
  context.textAlign = "left";
  outlined(context, name(length), x, y - 8);
}

function drawNeighbours(context, x0, y0, scale, vectors, radius) {
  context.strokeStyle = context.fillStyle = "#111";
  context.lineWidth = radius >= 3 ? 1.4 : 0.8;
  for (const [x, y] of neighbours(vectors)) {
    const [px, py] = [x0 + x * scale, y0 - y * scale];
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(px, py);
    context.stroke();
    context.beginPath();
    context.arc(px, py, radius, 0, 2 * Math.PI);
    context.fill();
  }
}

/** Both halves of a correlogram: c(-lag) = c(lag). */
function unfold(half) {
  const rows = 2 * half.rows - 1;
  const { columns } = half;
  const bytes = new Uint8Array(rows * columns).fill(NOTHING);
  bytes.set(half.bytes, (half.rows - 1) * columns);
  for (let lag = 1; lag < half.rows; lag++) {
    for (let column = 0; column < columns; column++) {
      bytes[(half.rows - 1 - lag) * columns + column] = half.bytes[lag * columns + (columns - 1 - column)];
    }
  }
  return { bytes, rows, columns, low: half.low, high: half.high };
}
