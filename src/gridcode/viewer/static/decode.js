/** Arrays of numbers from a byte a value: value = low + (high - low) byte / 254, byte 255 is missing. The other half of `encode.py`. */

const LEVELS = 254;
export const NOTHING = 255;
const decoded = new WeakMap();

/**
 * A part of an array that has one range: a map, a correlogram.
 * @typedef {{bytes: Uint8Array, low: number, high: number, rows: number, columns: number}} Slice
 */

/**
 * Decodes an array of a document, once.
 * @param {{shape: number[], lead: number, low: number[], high: number[], bytes: string}} array
 * @returns {Promise<{shape: number[], bytes: Uint8Array, low: number[], high: number[], value: function(...number): number, slice:
 *   function(...number): Slice}>}
 *   `value` of all indices is NaN where missing; `slice` takes the indices before the last two axes.
 */
export function decode(array) {
  if (!decoded.has(array)) decoded.set(array, unpack(array));
  return decoded.get(array);
}

/**
 * The maps of a document, by unit; with their own peaks, which maps that were made coarser for a page no longer reach.
 * @param {{rate: Object, peak: ?number[]}} found
 * @returns {Promise<function(number): Slice & {peak: number}>}
 */
export async function mapsOf(found) {
  const rate = await decode(found.rate);
  return (unit) => {
    const map = rate.slice(unit);
    return { ...map, peak: found.peak?.[unit] ?? map.high };
  };
}

/** The value of a byte of a slice; NaN where missing. */
export function valueOf(slice, byte) {
  return byte === NOTHING ? NaN : slice.low + ((slice.high - slice.low) * byte) / LEVELS;
}

async function unpack(array) {
  const bytes = await gunzip(array.bytes);
  const { shape, lead, low, high } = array;
  const size = shape.reduce((product, length) => product * length, 1);
  if (bytes.length !== size) throw new Error(`an array of ${size} values came with ${bytes.length}`);
  const perRange = shape.slice(lead).reduce((product, length) => product * length, 1);
  const offset = (indices) => indices.reduce((sum, index, axis) => sum * shape[axis] + index, 0);
  return {
    shape,
    bytes,
    low,
    high,
    value(...indices) {
      const at = offset(indices);
      const range = Math.floor(at / perRange);
      return valueOf({ low: low[range], high: high[range] }, bytes[at]);
    },
    slice(...indices) {
      const [rows, columns] = shape.slice(-2);
      const start = offset(indices) * rows * columns;
      const range = Math.floor(start / perRange);
      return { bytes: bytes.subarray(start, start + rows * columns), low: low[range], high: high[range], rows, columns };
    },
  };
}

async function gunzip(base64) {
  const packed = Uint8Array.fromBase64?.(base64) ?? Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
