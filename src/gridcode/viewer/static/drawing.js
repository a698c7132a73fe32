/** Charts and save buttons, loaded on first need: the page is readable before any of them is there, and without them. */

import { failure } from "gridcode/dom.js";

/**
 * Draws a chart of `gridcode/charts.js`.
 * @param {HTMLElement} element
 * @param {string} name of the function
 * @param {...*} args what it takes after the element
 * @returns {Promise<{update: function, destroy: function}|null>} null where it failed, which the page then says
 */
export async function chart(element, name, ...args) {
  element.classList.add("waiting");
  try {
    const charts = await import("gridcode/charts.js");
    return await charts[name](element, ...args);
  } catch (error) {
    element.replaceChildren(failure("This figure could not be drawn", error));
    return null;
  } finally {
    element.classList.remove("waiting");
  }
}

/** The picture of the states that turns under the mouse. */
export async function torus(element, states, options) {
  element.classList.add("waiting");
  try {
    const module = await import("gridcode/torus.js");
    return await module.torus(element, states, options);
  } catch (error) {
    element.replaceChildren(failure("This figure could not be drawn", error));
    return null;
  } finally {
    element.classList.remove("waiting");
  }
}

/**
 * A small save button.
 * @param {HTMLElement} element it is added to
 * @param {{name: string, canvas?: HTMLCanvasElement|function(): HTMLCanvasElement, columns?: function(): Object<string, Array>, header?: string[]|function(): string[], signal?: AbortSignal}} what
 *   the picture, its numbers as columns with lines that say what they are, and what ends both
 */
export async function saveButton(element, { name, canvas = null, columns = null, header = [], signal = null }) {
  try {
    const { menu, saveCanvas, saveCsv } = await import("gridcode/download.js");
    if (signal?.aborted) return;
    const button = menu(element, {
      name,
      png: canvas && (() => saveCanvas(typeof canvas === "function" ? canvas() : canvas, name)),
      csv: columns && (() => saveCsv(name, columns(), typeof header === "function" ? header() : header)),
    });
    signal?.addEventListener("abort", () => button.destroy());
  } catch {
    // Without the module there is nothing to offer; the picture itself can still be saved by the browser's own menu.
  }
}

/** Numbers of a slice as columns x, y and value: bins in metres from the lower left corner. */
export function sliceColumns({ bytes, rows, columns, low, high }, binM) {
  const found = { x_m: [], y_m: [], rate: [] };
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const byte = bytes[row * columns + column];
      found.x_m.push(Number(((column + 0.5) * binM).toFixed(6)));
      found.y_m.push(Number(((row + 0.5) * binM).toFixed(6)));
      found.rate.push(byte === 255 ? null : Number((low + ((high - low) * byte) / 254).toPrecision(5)));
    }
  }
  return found;
}
