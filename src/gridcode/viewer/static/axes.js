/** Axes and numbers of charts: logarithmic ticks at plain numbers, several panels in one picture, histograms, text. */

import { known } from "gridcode/format.js";

export { known };

/** Text from a file as Plotly can set it: never read as markup. */
export const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

/** A value for a logarithmic axis: what is missing or not above 0 leaves a gap. */
export const positive = (value) => (known(value) && value > 0 ? value : null);

/** Median of the known values, or null. */
export function median(values) {
  const sorted = values.filter(known).sort((a, b) => a - b);
  if (!sorted.length) return null;
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function tickLabel(value) {
  if (value >= 0.001 && value < 1e6) return Number(value.toPrecision(6)).toLocaleString("en-US", { maximumFractionDigits: 6 });
  const power = Math.floor(Math.log10(value) + 1e-9);
  const lead = Number((value / 10 ** power).toPrecision(3));
  return `${lead === 1 ? "" : `${lead}·`}10<sup>${String(power).replace("-", "−")}</sup>`;
}

/**
 * Settings of a logarithmic axis that holds the values, ticks at plain numbers however narrow its range.
 * @param {(number|null)[]} values those not above 0 are left out
 * @param {{pad?: number, most?: number}} [options] share of the range left free at either end; most labels
 */
export function logarithmic(values, { pad = 0.05, most = 9 } = {}) {
  const found = values.filter((v) => known(v) && v > 0).map(Math.log10);
  if (!found.length) return { type: "log", range: [-1, 0] };
  const low = found.reduce((a, b) => Math.min(a, b));
  const high = found.reduce((a, b) => Math.max(a, b));
  const room = Math.max(pad * (high - low), 0.04);
  const range = [low - room, high + room];
  const rows = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6.5, 8]];
  let tickvals = [];
  for (const steps of rows) {
    const ticks = [];
    for (let power = Math.floor(range[0]); power <= range[1]; power += 1) {
      for (const step of steps) {
        const at = Math.log10(step) + power;
        if (at >= range[0] && at <= range[1]) ticks.push(step * 10 ** power);
      }
    }
    if (ticks.length > most && tickvals.length) break;
    tickvals = ticks;
    if (ticks.length > most) break;
  }
  if (tickvals.length < 3) {
    const step = nice((10 ** range[1] - 10 ** range[0]) / 6);
    tickvals = [];
    for (let k = Math.ceil(10 ** range[0] / step); k * step <= 10 ** range[1]; k += 1) tickvals.push(k * step);
  }
  return { type: "log", range, tickmode: "array", tickvals, ticktext: tickvals.map(tickLabel) };
}

/** The next larger of 1, 2, 5 times a power of ten. */
function nice(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * ([1, 2, 5, 10].find((n) => n * power >= step * (1 - 1e-9)) ?? 10);
}

/** Settings of an axis of counts from 0: whole numbers only. */
export function counts(most) {
  return { range: [0, Math.max(1, most) * 1.06], dtick: Math.max(1, nice(Math.max(1, most) / 5)), tickformat: ",d" };
}

/**
 * Counts of the known values in equal bins; what lies beyond the ends is counted in the outermost ones.
 * @returns {{edges: number[], counts: number[]}}
 */
export function histogram(values, low, high, bins) {
  const found = new Array(bins).fill(0);
  for (const value of values) {
    if (known(value)) found[Math.min(bins - 1, Math.max(0, Math.floor(((value - low) / (high - low)) * bins + 1e-9)))] += 1;
  }
  return { edges: Array.from({ length: bins + 1 }, (_, k) => low + ((high - low) * k) / bins), counts: found };
}

/**
 * Places of several panels in one picture, in shares of the area inside the margins.
 * @param {number} count
 * @param {{width: number, columns: number, row: number, margin: {l: number, r: number, t: number, b: number}, gapX?: number, gapY?: number}} sizes in pixels
 * @returns {{height: number, domains: {x: number[], y: number[]}[]}} from the upper left, line by line
 */
export function panels(count, { width, columns, row, margin, gapX = 72, gapY = 78 }) {
  const rows = Math.ceil(count / columns);
  const inner = { w: Math.max(60, width - margin.l - margin.r), h: rows * row + (rows - 1) * gapY };
  const wide = (inner.w - (columns - 1) * gapX) / columns;
  const domains = Array.from({ length: count }, (_, k) => {
    const left = (k % columns) * (wide + gapX);
    const top = Math.floor(k / columns) * (row + gapY);
    return { x: [left / inner.w, (left + wide) / inner.w], y: [Math.max(0, 1 - (top + row) / inner.h), 1 - top / inner.h] };
  });
  return { height: inner.h + margin.t + margin.b, domains };
}

/** The title of a panel, above its upper left corner. */
export function panelTitle(text, domain, look) {
  return {
    text,
    x: domain.x[0],
    y: domain.y[1],
    xref: "paper",
    yref: "paper",
    xanchor: "left",
    yanchor: "bottom",
    yshift: 5,
    showarrow: false,
    align: "left",
    font: { size: 12, color: look.ink },
  };
}
