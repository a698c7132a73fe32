/** A module's waves: the mean power spectrum of its maps, and where its cells' fields lie in the unit cell of its lattice. */

import { fitBox, lookUp, outlined, paintBytes, prepare, withTheme } from "gridcode/canvas.js";
import { moduleColour, palette, themeColour } from "gridcode/colours.js";
import { valueOf } from "gridcode/decode.js";
import { isLattice } from "gridcode/maps.js";
import { short } from "gridcode/format.js";

const BARS = [10, 5, 2, 1, 0.5, 0.2, 0.1];

/**
 * Power by wave vector, black to yellow; peaks and their mirror images circled.
 * @param {HTMLCanvasElement} canvas
 * @param {import("gridcode/decode.js").Slice} power
 * @param {{size?: number, waveNumbers: number[], peaks?: number[][], label?: string}} options wave numbers in cycles per metre
 */
export function drawSpectrum(canvas, power, { size = 220, waveNumbers, peaks = [], label = "" }) {
  const context = prepare(canvas, size, size, label);
  const box = fitBox(size, power.rows, power.columns);
  const top = power.high > 0 ? power.high : 1;
  paintBytes(
    context,
    power,
    lookUp(palette("magma"), (byte) => valueOf(power, byte) / top, 20),
    box,
  );
  const step = waveNumbers.length > 1 ? (waveNumbers.at(-1) - waveNumbers[0]) / (waveNumbers.length - 1) : 1;
  const extent = step * power.columns;
  const middle = {
    x: box.x + ((0 - waveNumbers[0]) / step + 0.5) * (box.width / power.columns),
    y: box.y + box.height - ((0 - waveNumbers[0]) / step + 0.5) * (box.height / power.rows),
  };
  const scale = box.width / extent;
  context.strokeStyle = "white";
  context.lineWidth = size >= 140 ? 1.4 : 0.8;
  for (const [x, y] of (peaks ?? [])
    .filter((peak) => peak?.every(Number.isFinite))
    .flatMap(([x, y]) => [
      [x, y],
      [-x, -y],
    ])) {
    context.beginPath();
    context.arc(middle.x + x * scale, middle.y - y * scale, Math.max(3, size / 26), 0, 2 * Math.PI);
    context.stroke();
  }
  if (size < 140) return;
  const length = BARS.find((bar) => bar <= 0.3 * extent) ?? BARS.at(-1);
  const [x, y] = [box.x + 0.05 * box.width, box.y + 0.95 * box.height];
  context.fillStyle = "white";
  context.fillRect(x, y - 2, length * scale, 2);
  context.font = "500 11px system-ui, sans-serif";
  context.textAlign = "left";
  outlined(context, `${short(length)} ${length === 1 ? "cycle" : "cycles"}/m`, x, y - 7);
}

/**
 * One unit cell of a lattice with a dot for each cell's phase.
 * @param {HTMLCanvasElement} canvas
 * @param {{size?: number, vectorsM: number[][], phases: Array<{unit: string, phase: number[]}>, module: number, highlight?:
 *   string|null, label?: string}} options
 *   phases are shares of the two vectors; one unit may stand out
 */
export function drawPhases(canvas, { size = 220, vectorsM, phases, module, highlight = null, label = "" }) {
  withTheme(canvas, () => {
    const context = prepare(canvas, size, size, label);
    if (!isLattice(vectorsM)) return;
    const [a, b] = vectorsM;
    const place = ([u, v]) => [u * a[0] + v * b[0], u * a[1] + v * b[1]];
    const corners = [
      [0, 0],
      [1, 0],
      [1, 1],
      [0, 1],
    ].map(place);
    const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const margin = size >= 140 ? 24 : 5;
    const scale = (size - 2 * margin) / Math.max(right - left, high - low);
    const at = ([x, y]) => [size / 2 + (x - (left + right) / 2) * scale, size / 2 - (y - (low + high) / 2) * scale];
    drawCell(context, corners.map(at));
    const radius = Math.max(1.6, size / 70);
    const quietly = highlight !== null;
    for (const { unit, phase } of phases)
      if (unit !== highlight) dot(context, at(place(phase)), radius, moduleColour(module), quietly ? 0.5 : 0.9);
    const one = phases.find(({ unit }) => unit === highlight);
    if (one) {
      dot(context, at(place(one.phase)), 1.8 * radius, moduleColour(module), 1);
      context.strokeStyle = themeColour("--ink");
      context.lineWidth = 1.8;
      context.stroke();
    }
    if (size >= 140) drawBar(context, size, scale, right - left);
  });
}

/** Phases of a module's units, from the rows of the units. */
export function phasesOf(units, module) {
  return units
    .filter((row) => row.module === module && row.phase?.every(Number.isFinite))
    .map((row) => ({ unit: String(row.unit), phase: row.phase }));
}

function drawCell(context, corners) {
  context.beginPath();
  for (const [x, y] of corners) context.lineTo(x, y);
  context.closePath();
  context.fillStyle = themeColour("--card");
  context.fill();
  context.strokeStyle = themeColour("--faint");
  context.lineWidth = 1;
  context.stroke();
}

function dot(context, [x, y], radius, colour, opacity) {
  context.globalAlpha = opacity;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
  context.globalAlpha = 1;
}

function drawBar(context, size, scale, extent) {
  const length = [5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02].find((bar) => bar <= 0.4 * extent) ?? 0.01;
  context.fillStyle = themeColour("--ink");
  context.fillRect(6, size - 8, length * scale, 2);
  context.font = "500 11px system-ui, sans-serif";
  context.textAlign = "left";
  context.fillText(`${short(length)} m`, 6, size - 13);
}
