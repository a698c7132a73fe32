/** A picture on a canvas with its title, the value under the pointer, a note and a save button. */

import { readOut } from "gridcode/canvas.js";
import { failure, h, replace } from "gridcode/dom.js";
import { saveCanvas, saveCsv, saveMenu } from "gridcode/save.js";

/**
 * A panel, to be filled by drawing on its canvas. `columns` are the numbers of the picture for CSV
 * and `header` explains them. The result has a place for a `fact` beside the title; `read` shows
 * the value under the pointer; `draw` runs a function that draws, and shows its error.
 */
export function panel({ title, note, file, columns, header = () => [] }) {
  const canvas = h("canvas");
  const fact = h("span.faint");
  const pointed = h("span.pointed");
  const body = h("div", canvas);
  const caption = h("figcaption", h("strong", title), fact);
  saveMenu(caption, {
    name: file,
    png: () => saveCanvas(canvas, file),
    csv: columns && (() => saveCsv(file, columns(), header())),
  });
  return {
    element: h("figure.panel", caption, body, h("p.faint", note, " ", pointed)),
    canvas,
    fact,
    read: (drawn, describe) => readOut(canvas, pointed, drawn, describe),
    async draw(start) {
      try {
        await start();
      } catch (error) {
        replace(body, failure("Not shown", error));
      }
    },
  };
}
