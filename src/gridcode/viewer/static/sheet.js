/** Many maps as one picture on white paper, each above its name: what galleries save. */

import { h } from "gridcode/dom.js";

const SCALE = 2;
const CELL = { width: 116, map: 104, line: 13 };
const MARGIN = 14;
const TITLE = 34;

/** Draws items {canvas, colour of a frame, lines of text} side by side, at twice the density. */
export function mapSheet(items, title, columns = 8) {
  const across = Math.max(1, Math.min(columns, items.length));
  const height = CELL.map + 2 * CELL.line + 12;
  const wide = 2 * MARGIN + across * CELL.width;
  const high = MARGIN + TITLE + Math.ceil(items.length / across) * height;
  const sheet = h("canvas", { width: SCALE * wide, height: SCALE * high });
  const context = sheet.getContext("2d");
  context.scale(SCALE, SCALE);
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, wide, high);
  context.imageSmoothingEnabled = false;
  const write = (text, x, y, room, weight, size) => {
    context.font = `${weight} ${size}px system-ui, sans-serif`;
    context.fillStyle = weight === 600 ? "#1c1c1e" : "#62626a";
    context.fillText(text, x, y, room); // narrower where it would not fit
  };
  write(title, MARGIN, TITLE - 12, wide - 2 * MARGIN, 600, 14);
  items.forEach(({ canvas, colour, lines }, k) => {
    const x = MARGIN + (k % across) * CELL.width;
    const y = TITLE + Math.floor(k / across) * height;
    context.drawImage(canvas, x, y, CELL.map, CELL.map);
    if (colour) {
      context.lineWidth = 3;
      context.strokeStyle = colour;
      context.strokeRect(x + 1.5, y + 1.5, CELL.map - 3, CELL.map - 3);
    }
    const below = y + CELL.map + CELL.line;
    write(lines[0], x, below, CELL.map, 600, 10.5);
    write(lines[1], x, below + CELL.line, CELL.map, 400, 10.5);
  });
  return sheet;
}
