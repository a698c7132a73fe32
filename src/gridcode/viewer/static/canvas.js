/** What all pictures on canvases share: sharp at any pixel density, images without smoothing, drawn again when the theme changes. */

/**
 * Sizes a canvas and gives a context whose unit is one CSS pixel.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width CSS pixels
 * @param {number} [height]
 * @param {string} [label] text alternative
 */
export function prepare(canvas, width, height = width, label = "") {
  const ratio = Math.max(1, window.devicePixelRatio || 1);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  canvas.style.width = `${width}px`; // the style sheet keeps it within its column
  canvas.style.aspectRatio = `${width} / ${height}`;
  if (label) {
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/**
 * Colours of 256 bytes as 32-bit pixels.
 * @param {Uint8Array} palette 768 bytes RGB
 * @param {function(number): number} position of a byte in the palette, 0 to 1
 * @param {number} missing grey of byte 255, 0 to 255
 */
export function lookUp(palette, position, missing = 191) {
  const table = new Uint32Array(256);
  const little = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
  const pixel = (r, g, b) => (little ? (255 << 24) | (b << 16) | (g << 8) | r : (r << 24) | (g << 16) | (b << 8) | 255) >>> 0;
  for (let byte = 0; byte < 255; byte++) {
    const at = 3 * Math.round(255 * Math.min(1, Math.max(0, position(byte))));
    table[byte] = pixel(palette[at], palette[at + 1], palette[at + 2]);
  }
  table[255] = pixel(missing, missing, missing);
  return table;
}

/** Paints bytes (row 0 lowest) through a table of colours into a box of CSS pixels, every bin a sharp rectangle. */
export function paintBytes(context, { bytes, rows, columns }, table, box) {
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let row = 0; row < rows; row++) {
    const from = (rows - 1 - row) * columns;
    for (let column = 0; column < columns; column++) pixels[row * columns + column] = table[bytes[from + column]];
  }
  const sheet = scratch(columns, rows);
  sheet.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(sheet, 0, 0, columns, rows, box.x, box.y, box.width, box.height);
}

/** Draws now, and again whenever the theme changes, for as long as the canvas is on the page. */
export function withTheme(canvas, draw) {
  draw();
  for (const other of themed) if (!other.isConnected && other !== canvas) themed.delete(other), redraw.delete(other);
  themed.add(canvas);
  redraw.set(canvas, draw);
}

/** The largest box of these proportions within a canvas of this side, in its middle. */
export function fitBox(size, rows, columns) {
  const scale = size / Math.max(rows, columns);
  const [width, height] = [columns * scale, rows * scale];
  return { x: (size - width) / 2, y: (size - height) / 2, width, height };
}

/** Text with an outline that is readable on any map. */
export function outlined(context, text, x, y) {
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = "rgb(0 0 0 / 0.75)";
  context.strokeText(text, x, y);
  context.fillStyle = "white";
  context.fillText(text, x, y);
}

const themed = new Set();
const redraw = new WeakMap();
document.addEventListener("gridcode:theme", () => themed.forEach((canvas) => (canvas.isConnected ? redraw.get(canvas)() : themed.delete(canvas))));

let sheet_ = null;
function scratch(width, height) {
  sheet_ ??= document.createElement("canvas");
  if (sheet_.width !== width || sheet_.height !== height) [sheet_.width, sheet_.height] = [width, height];
  return sheet_;
}
