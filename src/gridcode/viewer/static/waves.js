/** Waves of a lattice: power spectra, phases in the unit cell, rings of states. */

import { dot, fitBox, paint, prepare, scaleBar, withTheme } from "gridcode/canvas.js";
import { moduleColour, palette, scale, themeColour } from "gridcode/colours.js";
import { known } from "gridcode/format.js";
import { isLattice } from "gridcode/maps.js";

/** Power by wave vector (cycles per metre), black to yellow; peaks and mirror images circled. */
export function drawSpectrum(canvas, power, { size, waves, peaks, label }) {
  const context = prepare(canvas, size, label);
  const box = fitBox(size, power);
  const top = power.high > 0 ? power.high : 1;
  const position = (value) => value / top;
  paint(context, power, box, { palette: palette("magma"), position, missing: 20 });
  const extent = ((waves.at(-1) - waves[0]) * power.columns) / (waves.length - 1);
  const perWave = box.width / extent;
  context.strokeStyle = "white";
  context.lineWidth = 1.4;
  for (const [x, y] of peaks.filter((peak) => peak?.every(known))) {
    for (const sign of [1, -1]) {
      const [atX, atY] = [size / 2 + sign * x * perWave, size / 2 - sign * y * perWave];
      context.beginPath();
      context.arc(atX, atY, size / 26, 0, 2 * Math.PI);
      context.stroke();
    }
  }
  scaleBar(context, box, extent, "cycles/m");
  return { slice: power, box, size };
}

/** Phases of a module's units, from the rows of the units. */
export const phasesOf = (units, module) =>
  units.filter((row) => row.module === module && row.phase?.every(known));

/** One unit cell of a lattice with a dot for the phase of each unit; one may stand out. */
export function drawPhases(canvas, { size, vectorsM, rows, module, highlight = null, label }) {
  withTheme(canvas, () => {
    const context = prepare(canvas, size, label);
    if (!isLattice(vectorsM)) return;
    const [a, b] = vectorsM;
    const place = ([u, v]) => [u * a[0] + v * b[0], u * a[1] + v * b[1]];
    const corners = [place([0, 0]), place([1, 0]), place([1, 1]), place([0, 1])];
    const ends = [0, 1].map((axis) => {
      const values = corners.map((corner) => corner[axis]);
      return [Math.min(...values), Math.max(...values)];
    });
    const [middleX, middleY] = ends.map(([low, high]) => (low + high) / 2);
    const perMetre = (size - 48) / Math.max(...ends.map(([low, high]) => high - low));
    const at = ([x, y]) => [
      size / 2 + (x - middleX) * perMetre,
      size / 2 - (y - middleY) * perMetre,
    ];
    context.beginPath();
    corners.forEach((corner) => context.lineTo(...at(corner)));
    context.closePath();
    context.fillStyle = themeColour("--card");
    context.fill();
    context.strokeStyle = themeColour("--faint");
    context.stroke();
    const colour = moduleColour(module);
    const radius = size / 70;
    const others = rows.filter(({ unit }) => unit !== highlight);
    const opacity = highlight === null ? 0.9 : 0.5;
    others.forEach(({ phase }) => dot(context, at(place(phase)), radius, colour, opacity));
    const one = rows.find(({ unit }) => unit === highlight);
    if (one) {
      dot(context, at(place(one.phase)), 1.8 * radius, colour);
      context.strokeStyle = themeColour("--ink");
      context.lineWidth = 1.8;
      context.stroke();
    }
  });
}

/**
 * States (real and imaginary parts) on the plane of one wave of a lattice, coloured by the phase of
 * their place on that wave. A perfect code lies on the circle and its colours go around once.
 */
export function drawRing(canvas, [x, y], { size, phases, label }) {
  withTheme(canvas, () => {
    const context = prepare(canvas, size, label);
    const colours = scale("twilight").map(([, colour]) => colour);
    const furthest = [...x, ...y].map(Math.abs).sort((a, b) => a - b);
    const reach = Math.max(1.3, 1.05 * furthest[Math.floor(0.99 * furthest.length)]);
    const at = (k) => [(size / 2) * (1 + x[k] / reach), (size / 2) * (1 - y[k] / reach)];
    context.strokeStyle = themeColour("--faint");
    context.beginPath();
    context.arc(size / 2, size / 2, size / 2 / reach, 0, 2 * Math.PI);
    context.stroke();
    phases.forEach((phase, k) => dot(context, at(k), 1.7, colours[Math.round(51 * phase)]));
  });
}

/** The two waves of a lattice per metre: columns of the inverse of its vectors (rows). */
export function wavesOf([[ax, ay], [bx, by]]) {
  const det = ax * by - ay * bx;
  return [
    [by / det, -bx / det],
    [-ay / det, ax / det],
  ];
}

/** Phases (0 to 1) of positions along a wave. */
export const wavePhases = ([x, y], [kx, ky]) =>
  x.map((value, i) => {
    const turns = value * kx + y[i] * ky;
    return turns - Math.floor(turns);
  });
