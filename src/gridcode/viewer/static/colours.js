/** Colours: palettes of maps, one colour for each module, and the look of the page for charts. */

import { load } from "gridcode/source.js";

const palettes = new Map();
let modules = [];
let grey = "";

/** Loads the `palettes` document; to be awaited once, before anything is drawn. */
export async function loadPalettes() {
  const found = await load("palettes");
  if (!found) throw new Error("this page holds no palettes");
  for (const name of ["viridis", "magma", "twilight", "RdBu"]) {
    palettes.set(
      name,
      Uint8Array.from(atob(found[name]), (letter) => letter.charCodeAt(0)),
    );
  }
  ({ modules, grey } = found);
}

/** A palette as 768 bytes RGB, from lowest to highest; "RdBu" is blue at -1 and red at 1. */
export const palette = (name) => palettes.get(name);

/** Whether this is the number of a module. */
export const isModule = (module) => Number.isInteger(module) && module >= 0;

/** Colour of a module by its number, which repeats after six; grey for units in no module. */
export const moduleColour = (module) =>
  isModule(module) ? modules[module % modules.length] : grey;

/** The value of a CSS variable of the page, such as "--ink". */
export const themeColour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";

/** The look of saved and printed charts. */
export const PRINTED = {
  ink: "#1b1b1f",
  faint: "#5f5f68",
  line: "#dedee3",
  paper: "#ffffff",
  card: "#f5f5f7",
  font: FONT,
};

/** The look of charts on the page as it is now. */
export function pageLook() {
  const names = ["ink", "faint", "line", "card"];
  const colours = Object.fromEntries(names.map((name) => [name, themeColour(`--${name}`)]));
  return { ...colours, font: FONT };
}

/** Black or white, whichever is easier to read on a colour such as "#0072B2". */
export function inkOn(colour) {
  const [r, g, b] = parts(colour);
  return 0.299 * r + 0.587 * g + 0.114 * b > 100 ? "#000000" : "#ffffff";
}

/** A colour with an opacity. */
export const through = (colour, opacity) => `rgba(${parts(colour).join(", ")}, ${opacity})`;

/** Blues for the arenas of one walk, from strong to pale, readable on light and dark pages. */
export const shades = (number) =>
  Array.from({ length: number }, (_, k) =>
    mix([33, 113, 181], [158, 202, 225], k / Math.max(1, number - 1)),
  );

/** A palette as Plotly's colour scale, a little greyer, as dots must not vanish on the page. */
export const scale = (name) =>
  Array.from({ length: 52 }, (_, k) => {
    const colour = [...palette(name).subarray(15 * k, 15 * k + 3)];
    return [k / 51, mix(colour, [128, 128, 128], 0.25)];
  });

const mix = (from, to, share) =>
  `rgb(${from.map((part, k) => Math.round(part + share * (to[k] - part))).join(", ")})`;

const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
