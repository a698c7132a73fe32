/** Drawing on canvases: sharp at any pixel density, again when the theme changes. */

import { valueOf } from "gridcode/decode.js";

/** Sizes a square canvas and gives a context whose unit is one CSS pixel; `label` is read out. */
export function prepare(canvas, size, label = "") {
  const ratio = Math.max(1, window.devicePixelRatio);
  const side = Math.round(size * ratio);
  if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side;
  canvas.style.width = `${size}px`; // the style sheet keeps it within its column
  if (label) {
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, size, size);
  return context;
}

/** The largest box of these proportions in the middle of a canvas of this side. */
export function fitBox(size, { rows, columns }) {
  const scale = size / Math.max(rows, columns);
  const [width, height] = [columns * scale, rows * scale];
  return { x: (size - width) / 2, y: (size - height) / 2, width, height };
}

/**
 * Paints a slice, row 0 lowest, into a box, every bin a sharp rectangle. `position` is where in the
 * palette (768 bytes RGB) a value lies, from 0 to 1; `missing` is the grey of missing values.
 */
export function paint(context, slice, box, { palette, position, missing = 191 }) {
  const { bytes, rows, columns } = slice;
  const table = Array.from({ length: 256 }, (_, byte) => {
    const value = valueOf(slice, byte);
    if (Number.isNaN(value)) return [missing, missing, missing];
    const at = 3 * Math.round(255 * Math.min(1, Math.max(0, position(value))));
    return palette.subarray(at, at + 3);
  });
  const image = new ImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const to = 4 * ((rows - 1 - row) * columns + column);
      image.data.set(table[bytes[row * columns + column]], to);
      image.data[to + 3] = 255;
    }
  }
  scratch.width = columns;
  scratch.height = rows;
  scratch.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(scratch, box.x, box.y, box.width, box.height);
}

const scratch = document.createElement("canvas");

/** A white bar of a round length, about a quarter of the width, with its name, on a map. */
export function scaleBar(context, box, extent, unit) {
  const lengths = [10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01];
  const length = lengths.find((each) => each <= 0.3 * extent) ?? 0.01;
  const width = (length / extent) * box.width;
  const [x, y] = [box.x + 0.05 * box.width, box.y + 0.95 * box.height];
  context.fillStyle = "rgb(0 0 0 / 0.75)";
  context.fillRect(x - 1.5, y - 4.5, width + 3, 6);
  context.fillStyle = "white";
  context.fillRect(x, y - 3, width, 3);
  context.font = "500 11px system-ui, sans-serif";
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = "rgb(0 0 0 / 0.75)";
  context.strokeText(`${length} ${unit}`, x, y - 8);
  context.fillText(`${length} ${unit}`, x, y - 8);
}

/** A filled circle. */
export function dot(context, [x, y], radius, colour, opacity = 1) {
  context.globalAlpha = opacity;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
  context.globalAlpha = 1;
}

/**
 * The bin of a picture under the pointer: column, row (0 lowest) and value; null beside it. The
 * drawing functions return what they have `drawn`.
 */
export function binAt(canvas, { slice, box, size }, { clientX, clientY }) {
  const { left, top, width } = canvas.getBoundingClientRect();
  const [x, y] = [clientX - left, clientY - top].map((at) => (at * size) / width);
  const column = Math.floor(((x - box.x) / box.width) * slice.columns);
  const row = slice.rows - 1 - Math.floor(((y - box.y) / box.height) * slice.rows);
  const inside = column >= 0 && column < slice.columns && row >= 0 && row < slice.rows;
  if (!inside) return null;
  return { column, row, value: valueOf(slice, slice.bytes[row * slice.columns + column]) };
}

/** Writes what `describe` says of the bin under the pointer into an element. */
export function readOut(canvas, output, drawn, describe) {
  canvas.onpointermove = canvas.onpointerdown = (event) => {
    const bin = binAt(canvas, drawn, event);
    output.textContent = bin ? describe(bin) : "";
  };
  canvas.onpointerleave = () => (output.textContent = "");
}

const themed = new Map();

/** Draws now, and again whenever the theme changes while the canvas is on the page. */
export function withTheme(canvas, draw) {
  for (const other of themed.keys()) if (!other.isConnected) themed.delete(other);
  themed.set(canvas, draw);
  draw();
}

document.addEventListener("gridcode:theme", () => themed.forEach((draw) => draw()));
