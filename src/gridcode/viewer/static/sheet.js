/** Many maps as one picture on white paper, each above its name: what galleries save. */

const SCALE = 2;
const CELL = { width: 116, map: 104, line: 13 };
const MARGIN = 14;
const TITLE = 34;
const FONT = "system-ui, sans-serif";

/**
 * Draws maps side by side.
 * @param {{canvas: HTMLCanvasElement, colour: ?string, lines: string[]}[]} items with up to two lines of text; a colour frames the map
 * @param {{title: string, columns?: number}} options
 * @returns {HTMLCanvasElement} as wide as its columns, at twice the usual density
 */
export function mapSheet(items, { title, columns = 8 }) {
  const across = Math.max(1, Math.min(columns, items.length));
  const height = CELL.map + 2 * CELL.line + 12;
  const [wide, high] = [2 * MARGIN + across * CELL.width, MARGIN + TITLE + Math.ceil(items.length / across) * height];
  const sheet = Object.assign(document.createElement("canvas"), { width: SCALE * wide, height: SCALE * high });
  const context = sheet.getContext("2d");
  context.scale(SCALE, SCALE);
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, wide, high);
  context.imageSmoothingEnabled = false;
  write(context, title, MARGIN, TITLE - 12, wide - 2 * MARGIN, `600 14px ${FONT}`, "#1c1c1e");
  items.forEach(({ canvas, colour, lines }, k) => {
    const [x, y] = [MARGIN + (k % across) * CELL.width, TITLE + Math.floor(k / across) * height];
    if (canvas.width && canvas.height) context.drawImage(canvas, x, y, CELL.map, CELL.map);
    if (colour) {
      context.lineWidth = 3;
      context.strokeStyle = colour;
      context.strokeRect(x + 1.5, y + 1.5, CELL.map - 3, CELL.map - 3);
    }
    lines.forEach((text, line) =>
      write(context, text, x, y + CELL.map + (line + 1) * CELL.line, CELL.map, `${line ? 400 : 600} 10.5px ${FONT}`, line ? "#62626a" : "#1c1c1e"),
    );
  });
  return sheet;
}

/** Text that is made narrower where it would not fit. */
function write(context, text, x, y, room, font, ink) {
  context.font = font;
  context.fillStyle = ink;
  context.fillText(text, x, y, room);
}
