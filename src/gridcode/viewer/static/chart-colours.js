/** Colours of charts beyond those of modules: series, shades, palettes as Plotly wants them. */

import { loadPalettes, moduleColour, palette } from "gridcode/colours.js";

/** Colour of the n-th series of a chart, from the palette that modules have: colour-blind readers tell them apart. */
export const ink = (n) => moduleColour(n);

/** Dashes of lines: colours come again after six. */
export const dash = (n) => ["solid", "dash", "dot"][Math.floor(n / 6) % 3];

/** A unit in no module. */
export const grey = () => moduleColour(-1);

/** Waits until `scale` works; pages that have drawn a map have the palettes already. */
export async function scalesReady() {
  try {
    palette("viridis");
  } catch {
    await loadPalettes();
  }
}

// Dots in a palette's end colours would vanish on paper as dark or as light as they are: [lift, share of the colour].
const ON_DARK = [85, 2 / 3];
const ON_LIGHT = { twilight: [0, 0.85] };

/**
 * A palette as Plotly's colour scale, for dots on the page.
 * @param {"viridis"|"twilight"|"magma"} name twilight goes round: 0 and 1 are the same
 * @param {{dark: boolean}} look
 * @returns {[number, string][]}
 */
export function scale(name, look) {
  const [lift, share] = look.dark ? ON_DARK : (ON_LIGHT[name] ?? [0, 1]);
  const bytes = palette(name);
  const steps = Array.from({ length: 52 }, (_, k) => 5 * k);
  return steps.map((at) => [at / 255, `rgb(${Array.from(bytes.subarray(3 * at, 3 * at + 3), (c) => Math.round(lift + share * c)).join(", ")})`]);
}

/**
 * Colours of the arenas of one walk, from strong to pale on the page.
 * @param {number} count
 * @param {boolean} dark the page is dark
 */
export function shades(count, dark) {
  const [from, to] = dark
    ? [
        [222, 235, 247],
        [49, 130, 189],
      ]
    : [
        [8, 48, 107],
        [148, 196, 223],
      ];
  return Array.from({ length: count }, (_, k) => {
    const t = count > 1 ? k / (count - 1) : 0;
    return `rgb(${from.map((c, i) => Math.round(c + (to[i] - c) * t)).join(", ")})`;
  });
}
