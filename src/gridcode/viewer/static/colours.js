/** Colours: palettes of 256 steps for maps, one colour for each module. A colour is a module on every picture, grey is a unit in none. */

import { load } from "gridcode/source.js";

const state = { modules: ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"], grey: "#999999", palettes: new Map() };

/** Loads the `palettes` document; to be awaited once, before anything is drawn. */
export async function loadPalettes() {
  const found = await load("palettes");
  if (!found) throw new Error("this page holds no palettes");
  for (const [name, value] of Object.entries(found)) {
    if (typeof value === "string" && !value.startsWith("#"))
      state.palettes.set(
        name,
        Uint8Array.from(atob(value), (letter) => letter.charCodeAt(0)),
      );
  }
  state.modules = found.modules ?? state.modules;
  state.grey = found.grey ?? state.grey;
}

/** A palette as 768 bytes RGB, from lowest to highest. */
export function palette(name) {
  const found = state.palettes.get(name);
  if (!found) throw new Error(`no palette ${name}`);
  return found;
}

/** Blue for -1 to red for 1, whichever way round the palette came. */
export function blueToRed() {
  const found = palette("RdBu");
  if (found[0] < found[2]) return found;
  const turned = new Uint8Array(found.length);
  for (let k = 0; k < 256; k++) turned.set(found.subarray(3 * k, 3 * k + 3), 3 * (255 - k));
  return turned;
}

/** Colour of a module by its number; null or -1, in none, is grey. Colours repeat after six, so modules are numbered everywhere, too. */
export function moduleColour(module) {
  return isModule(module) ? state.modules[module % state.modules.length] : state.grey;
}

/** Whether this is the number of a module. */
export const isModule = (module) => Number.isInteger(module) && module >= 0;

/** Black or white, whichever is easier to read on a colour such as "#0072B2". */
export function inkOn(colour) {
  const part = (at) => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const luminance = 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
  return 1.05 / (luminance + 0.05) >= 4.5 ? "#ffffff" : "#000000";
}

/** The value of a CSS variable of the page, such as "--ink". */
export const themeColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
