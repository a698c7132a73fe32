/** Pictures of a recorded session: the path with a unit's spikes, and its rate by head direction. */

import { dot, fitBox, prepare, scaleBar, withTheme } from "gridcode/canvas.js";
import { themeColour, through } from "gridcode/colours.js";
import { NOTHING, decode, valueOf } from "gridcode/decode.js";
import { h } from "gridcode/dom.js";
import { fixed, known, pText, short, whole } from "gridcode/format.js";
import { panel } from "gridcode/panel.js";
import { load } from "gridcode/source.js";

const SPIKE = "#d3202a";
const CURVE = "#3b6ea8";
const SMALL = 200; // pictures below this many pixels have thinner lines
const PIECE = 100;
const paths = new WeakMap();

/**
 * What was recorded besides the maps: `spikesOf` and `curveOf` take the index of a unit and give
 * null where there is nothing to draw.
 * @typedef {{document: Object, spikesOf: function(number): ?number[][],
 *   curveOf: function(number): ?number[]}} Session
 */

/** The session of a page; null where only maps are known. */
export async function sessionOf({ id, run }) {
  const found = run.has.session ? await load(`runs/${id}/session`) : null;
  if (!found) return null;
  const spikes = found.spikes_m && (await decode(found.spikes_m));
  return {
    document: found,
    spikesOf: (index) => (spikes ? places(spikes(index)) : null),
    curveOf(index) {
      const curve = found.direction_curve?.[index];
      return curve?.some((rate) => rate > 0) ? curve : null;
    },
  };
}

/** Places [x, y] in metres, coded as two rows of which the second may be padded. */
function places(slice) {
  const { bytes, columns } = slice;
  const all = [...bytes.subarray(0, columns)].map((byte, k) => [byte, bytes[columns + k]]);
  const real = all.filter(([x]) => x !== NOTHING);
  return real.map((pair) => pair.map((byte) => valueOf(slice, byte)));
}

/** The path in grey, y upwards, with a red dot where the animal was at each spike. */
export function drawPath(canvas, { arena_m: arena, path_m: path }, spikes, { size, label, bar }) {
  withTheme(canvas, () => {
    const context = prepare(canvas, size, label);
    const [columns, rows] = arena;
    const box = fitBox(size, { rows, columns });
    const scale = box.width / columns;
    const at = ([x, y]) => [box.x + x * scale, box.y + box.height - y * scale];
    context.drawImage(pathImage(path, size, at), 0, 0, size, size);
    if (size < SMALL) {
      context.fillStyle = SPIKE;
      spikes.map(at).forEach(([x, y]) => context.fillRect(x - 0.8, y - 0.8, 1.6, 1.6));
    } else spikes.forEach((place) => dot(context, at(place), 1.7, SPIKE, 0.8));
    context.strokeStyle = themeColour("--faint");
    context.lineWidth = 1;
    context.strokeRect(box.x + 0.5, box.y + 0.5, box.width - 1, box.height - 1);
    if (bar) scaleBar(context, box, columns, "m");
  });
}

/**
 * The path alone on a canvas of this size, drawn once for all units; interrupted where positions
 * are missing. In short pieces: one line of thousands of points takes browsers seconds.
 */
function pathImage(path, size, at) {
  if (!paths.has(path)) paths.set(path, new Map());
  const images = paths.get(path);
  if (images.has(size)) return images.get(size);
  const image = document.createElement("canvas");
  const ratio = Math.max(1, window.devicePixelRatio);
  image.width = image.height = Math.round(size * ratio);
  const context = image.getContext("2d", { willReadFrequently: true });
  context.scale(ratio, ratio);
  context.lineWidth = size < SMALL ? 0.5 : 0.8;
  context.strokeStyle = "#99999f";
  const [x, y] = path;
  for (let start = 0; start < x.length - 1; start += PIECE) {
    context.beginPath();
    let drawing = false;
    for (let k = start; k <= Math.min(start + PIECE, x.length - 1); k++) {
      const there = known(x[k]);
      if (there && drawing) context.lineTo(...at([x[k], y[k]]));
      else if (there) context.moveTo(...at([x[k], y[k]]));
      drawing = there;
    }
    context.stroke();
  }
  images.set(size, image);
  return image;
}

/**
 * Rate against head direction, 0° to the right and anticlockwise; the outer circle is the peak. A
 * line as long as the mean vector (the circle is 1) points to the preferred direction.
 */
export function drawDirection(canvas, degrees, curve, { size, row, label }) {
  withTheme(canvas, () => {
    const context = prepare(canvas, size, label);
    const radius = (size < SMALL ? 0.35 : 0.41) * size;
    const peak = Math.max(...curve.filter(known));
    const at = (angle, share) => [
      size / 2 + radius * share * Math.cos((angle * Math.PI) / 180),
      size / 2 - radius * share * Math.sin((angle * Math.PI) / 180),
    ];
    context.strokeStyle = themeColour("--line");
    context.lineWidth = 1;
    for (const share of [0.5, 1]) {
      context.beginPath();
      context.arc(size / 2, size / 2, radius * share, 0, 2 * Math.PI);
      context.stroke();
    }
    for (const angle of [0, 90]) {
      context.beginPath();
      context.moveTo(...at(angle, 1));
      context.lineTo(...at(angle + 180, 1));
      context.stroke();
    }
    context.beginPath();
    curve.forEach((rate, k) => known(rate) && context.lineTo(...at(degrees[k], rate / peak)));
    context.closePath();
    context.fillStyle = through(CURVE, 0.25);
    context.fill();
    context.strokeStyle = CURVE;
    context.lineWidth = size < SMALL ? 1.4 : 2;
    context.stroke();
    if (known(row.mean_vector_length) && known(row.preferred_direction_deg)) {
      context.beginPath();
      context.moveTo(size / 2, size / 2);
      context.lineTo(...at(row.preferred_direction_deg, row.mean_vector_length));
      context.strokeStyle = themeColour("--ink");
      context.stroke();
    }
    context.fillStyle = themeColour("--faint");
    context.font = `${size < SMALL ? 10 : 12}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const angle of [0, 90, 180, 270]) {
      context.fillText(`${angle}°`, ...at(angle, size < SMALL ? 1.2 : 1.11));
    }
  });
}

/** Head direction in words: length and direction of the mean vector, with its p-value. */
export const directionText = (row) =>
  known(row.mean_vector_length) &&
  `mean vector ${fixed(row.mean_vector_length)} at ${fixed(row.preferred_direction_deg, 0)}° ` +
    `(p = ${pText(row.direction_p_value)})`;

/** Panels of one unit: path with spikes, and head direction; none where not recorded. */
export async function sessionPanels({ id, run, row, index, size }) {
  const session = await sessionOf({ id, run });
  const spikes = session?.spikesOf(index);
  const curve = session?.curveOf(index);
  return {
    path: spikes && pathPanel({ id, row, session, spikes, size, index }),
    direction: curve && directionPanel({ id, run, row, session, curve, size }),
  };
}

function pathPanel({ id, row, session, spikes, size, index }) {
  const all = session.document.spikes[index];
  const part = spikes.length < all ? `; ${whole(spikes.length)} of them drawn` : "";
  const { element, canvas, fact } = panel({
    title: "Path with spikes",
    note: `grey: the path; red: where the animal was at each spike${part}`,
    file: `${id}-unit-${row.unit}-path`,
    columns: () => ({ x_m: spikes.map(([x]) => x), y_m: spikes.map(([, y]) => y) }),
    header: () => ["places of spikes, metres from the lower left corner, rounded to 1/254 of it"],
  });
  fact.textContent = `${whole(all)} spikes`;
  const label = `Path with ${whole(all)} spikes of unit ${row.unit}`;
  drawPath(canvas, session.document, spikes, { size, label, bar: true });
  return element;
}

function directionPanel({ id, run, row, session, curve, size }) {
  const { directions_deg: degrees } = session.document;
  const peak = `${short(Math.max(...curve.filter(known)))} ${run.rate_unit}`.trim();
  const { element, canvas, fact } = panel({
    title: "Head direction",
    note: "outer circle: the peak rate, and a mean vector of length 1; line: the mean vector",
    file: `${id}-unit-${row.unit}-direction`,
    columns: () => ({ direction_deg: degrees, rate: curve }),
    header: () => ["rate against head direction, anticlockwise from the x axis"],
  });
  fact.textContent = [`peak ${peak}`, directionText(row)].filter(Boolean).join(" · ");
  drawDirection(canvas, degrees, curve, { size, row, label: `Head direction of unit ${row.unit}` });
  return element;
}
