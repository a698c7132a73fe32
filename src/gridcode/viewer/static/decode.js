/**
 * Arrays with a byte for each value: value = low + (high - low) byte / 254; byte 255 is missing.
 * The inverse of `encode.py`.
 */

const LEVELS = 254;
export const NOTHING = 255;
const decoded = new WeakMap();

/**
 * A part of an array that has one range, such as a map.
 * @typedef {{bytes: Uint8Array, low: number, high: number, rows: number, columns: number}} Slice
 */

/** Decodes an array of a document, once, to a function from its leading indices to a Slice. */
export function decode(array) {
  if (!decoded.has(array)) decoded.set(array, unpack(array));
  return decoded.get(array);
}

/** Maps by index of the unit, with their peaks, which maps averaged over bins no longer reach. */
export async function mapsOf(found) {
  const slice = await decode(found.rate);
  return (unit) => {
    const map = slice(unit);
    return { ...map, peak: found.peak?.[unit] ?? map.high };
  };
}

/** The value of a byte of a slice; NaN where missing. */
export const valueOf = ({ low, high }, byte) =>
  byte === NOTHING ? NaN : low + ((high - low) * byte) / LEVELS;

/** Numbers of a map as columns: middles of bins in metres from the lower left corner, and rate. */
export function mapColumns(map, binM) {
  const middle = (k) => Number(((k + 0.5) * binM).toFixed(6));
  const cells = [...map.bytes.keys()];
  return {
    x_m: cells.map((k) => middle(k % map.columns)),
    y_m: cells.map((k) => middle(Math.floor(k / map.columns))),
    rate: cells.map((k) => Number(valueOf(map, map.bytes[k]).toPrecision(5))),
  };
}

async function unpack({ shape, lead, low, high, bytes: packed }) {
  const bytes = await gunzip(packed);
  const product = (lengths) => lengths.reduce((all, length) => all * length, 1);
  if (bytes.length !== product(shape)) {
    throw new Error(`an array of ${product(shape)} values came with ${bytes.length}`);
  }
  const perRange = product(shape.slice(lead));
  const [rows, columns] = shape.slice(-2);
  return (...indices) => {
    const place = indices.reduce((sum, index, axis) => sum * shape[axis] + index, 0);
    const start = place * rows * columns;
    const range = Math.floor(start / perRange);
    return {
      bytes: bytes.subarray(start, start + rows * columns),
      low: low[range],
      high: high[range],
      rows,
      columns,
    };
  };
}

/** The text of base64-coded gzip as bytes. */
export async function gunzip(base64) {
  const packed = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
