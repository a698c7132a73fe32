/** One rate map, as large as the window: to zoom, to move, to read values off. */

import { binAt } from "gridcode/canvas.js";
import { h } from "gridcode/dom.js";
import { drawRateMap } from "gridcode/maps.js";
import { placeText } from "gridcode/pointed.js";

const FEWEST_BINS = 4;
const STEP = 1.5;

/** Opens the map of a canvas in a dialog; `rate` is the unit of its values. */
export function enlarge({ map, binM, title, rate = "" }) {
  const size = Math.max(200, Math.floor(Math.min(innerWidth - 48, innerHeight - 190, 1000)));
  const canvas = h("canvas.enlarged-map");
  const output = h("p.pointed", { role: "status" });
  const whole = { zoom: 1, x: map.columns / 2, y: map.rows / 2 }; // middle of the view, in bins
  const view = { ...whole };
  let drawn = null;
  let part = null;

  function draw() {
    part = visible(map, view);
    drawn = drawRateMap(canvas, crop(map, part), { size, binM, label: title });
  }

  /** Zooms; the place under `at`, else the middle, stays where it is. */
  function zoomBy(factor, at = null) {
    const most = Math.max(1, Math.min(map.columns, map.rows) / FEWEST_BINS);
    const zoom = Math.min(most, Math.max(1, view.zoom * factor));
    const [x, y] = at ? [part.left + at.column, part.bottom + at.row] : [view.x, view.y];
    const share = view.zoom / zoom;
    Object.assign(view, { zoom, x: x + (view.x - x) * share, y: y + (view.y - y) * share });
    draw();
  }

  function moveBy(columns, rows) {
    const within = (at, length, all) => Math.min(all - length / 2, Math.max(length / 2, at));
    view.x = within(view.x + columns, part.columns, map.columns);
    view.y = within(view.y + rows, part.rows, map.rows);
    draw();
  }

  function read(event) {
    const bin = binAt(canvas, drawn, event);
    output.textContent = bin ? placeText({ binM, unit: rate, ...part })(bin) : "";
  }

  fingers(canvas, {
    onMove: (x, y) => moveBy((-x * part.columns) / size, (y * part.columns) / size),
    onPinch: zoomBy,
    onPoint: read,
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoomBy(Math.exp(-event.deltaY / 400), binAt(canvas, drawn, event));
      read(event);
    },
    { passive: false },
  );

  const reset = () => {
    Object.assign(view, whole);
    draw();
  };
  const close = () => dialog.close();
  const button = (text, label, onclick) =>
    h("button.quiet", { "aria-label": label, onclick }, text);
  const dialog = h(
    "dialog.enlarged",
    { "aria-labelledby": "enlarged-title" },
    h(
      "header.unit-head",
      h("h2", { id: "enlarged-title" }, title),
      h(
        "nav",
        { "aria-label": "Zoom" },
        button("−", "Zoom out", () => zoomBy(1 / STEP)),
        button("+", "Zoom in", () => zoomBy(STEP)),
        button("Whole map", "Show the whole map", reset),
        button("Close", "Close", close),
      ),
    ),
    canvas,
    output,
  );
  const keys = {
    "+": () => zoomBy(STEP),
    "=": () => zoomBy(STEP),
    "-": () => zoomBy(1 / STEP),
    0: reset,
    ArrowLeft: () => moveBy(-part.columns / 8, 0),
    ArrowRight: () => moveBy(part.columns / 8, 0),
    ArrowUp: () => moveBy(0, part.rows / 8),
    ArrowDown: () => moveBy(0, -part.rows / 8),
  };
  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  draw();
}

/** Whole bins that a view shows. */
function visible(map, { zoom, x, y }) {
  const [columns, rows] = [map.columns, map.rows].map((all) => Math.max(1, Math.round(all / zoom)));
  const first = (middle, length, all) =>
    Math.min(all - length, Math.max(0, Math.round(middle - length / 2)));
  return { left: first(x, columns, map.columns), bottom: first(y, rows, map.rows), columns, rows };
}

/** These bins of a map, as a map of the same range. */
function crop(map, { left, bottom, columns, rows }) {
  const bytes = new Uint8Array(columns * rows);
  for (let row = 0; row < rows; row++) {
    const start = (bottom + row) * map.columns + left;
    bytes.set(map.bytes.subarray(start, start + columns), row * columns);
  }
  return { ...map, bytes, columns, rows };
}

/** One finger or the mouse moves, two fingers pinch; any of them points. */
function fingers(canvas, { onMove, onPinch, onPoint }) {
  const down = new Map(); // pointer: where it was last
  const distance = ([[ax, ay], [bx, by]]) => Math.hypot(ax - bx, ay - by);
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, [event.clientX, event.clientY]);
    onPoint(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    onPoint(event);
    const last = down.get(event.pointerId);
    if (!last) return;
    const before = down.size === 2 && distance([...down.values()]);
    down.set(event.pointerId, [event.clientX, event.clientY]);
    if (before) onPinch(distance([...down.values()]) / before);
    else onMove(event.clientX - last[0], event.clientY - last[1]);
  });
  const up = ({ pointerId }) => down.delete(pointerId);
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
}
