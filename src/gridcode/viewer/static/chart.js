/**
 * A chart: title, Plotly picture, note and save menu; drawn when it comes near the window, and
 * again when its width or the colours of the page change.
 */

import { layoutOf } from "gridcode/axes.js";
import { PRINTED, pageLook } from "gridcode/colours.js";
import { failure, h, painted, replace } from "gridcode/dom.js";
import { plotly } from "gridcode/plotly.js";
import { fileName, saveCsv, saveMenu } from "gridcode/save.js";

const PAPER = 640; // pixels between the margins of a printed page
const CONFIG = {
  displaylogo: false,
  // Plotly would offer to send the numbers to its own server.
  showSendToCloud: false,
  plotlyServerURL: "",
  doubleClick: "reset",
  modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "autoScale2d"],
};
const charts = new Set();
const due = new Set();
let drawing = null;

/** Draws the charts that are due, with time for the page between two. */
async function drawDue() {
  for (const next of due) {
    await painted();
    due.delete(next);
    await next.draw();
  }
  drawing = null;
}

document.addEventListener("gridcode:theme", () => charts.forEach((each) => each.schedule()));
addEventListener("beforeprint", () => globalThis.Plotly && charts.forEach((each) => each.print()));
addEventListener("afterprint", () => charts.forEach((each) => each.schedule()));

/**
 * What a chart is: traces and layout for Plotly, or a function that makes all of this for a width.
 * @typedef {object} Spec
 * @property {string} name of the files it is saved as
 * @property {string} title
 * @property {string} [note] below the picture
 * @property {string} [source] file of the run that holds the numbers
 * @property {number} height in pixels, without the legend
 * @property {object[]} data
 * @property {object} layout
 * @property {function(string)} [onPoint] is called with the `customdata` of a point clicked on
 * @property {string} [pointName] what `customdata` is in the numbers saved: "unit" if left out
 * @property {boolean} [webgl] three-dimensional: not printed
 */

/** Adds a chart to an element; the function returned shows another Spec and keeps the zoom. */
export function chart(element, given, signal) {
  let drawnWidth = 0;
  let near = false; // the window
  let stale = true;
  const plot = h("div.chart-plot", { role: "img" });
  const specOf = (width) => (typeof given === "function" ? given(width) : given);
  let spec = specOf(600);
  const title = h("p.chart-title");
  const head = h("div.chart-head", title);
  const note = h("p.chart-note");
  element.append(h(`div.chart${spec.webgl ? ".webgl" : ""}`, head, plot, note));
  const menu = saveMenu(head, {
    name: spec.name,
    png: () => savePicture("png"),
    svg: spec.webgl ? null : () => savePicture("svg"),
    csv() {
      const source = `source: ${spec.source ?? "evaluation/summary.json"}`;
      saveCsv(spec.name, numbersOf(spec), [spec.title, spec.note, source]);
    },
  });

  /** Everything but the picture. */
  function describe() {
    spec = specOf(plot.clientWidth || 600);
    const nothing = !spec.data.some(({ x, y }) => (y ?? x).some((value) => value !== null));
    title.textContent = spec.title;
    note.textContent = nothing ? "Not measured." : (spec.note ?? "");
    plot.hidden = menu.hidden = nothing;
    plot.setAttribute("aria-label", [spec.title, spec.note].filter(Boolean).join(". "));
    plot.style.height ||= `${spec.height}px`;
  }

  function put(Plotly, look, width) {
    if (!width || plot.hidden || signal.aborted) return;
    spec = specOf(width);
    const layout = layoutOf(spec, look, width);
    plot.style.height = `${layout.height}px`;
    stale = false;
    // At another width Plotly would leave the legend where it was.
    const anew = width !== drawnWidth;
    if (anew) Plotly.purge(plot);
    Plotly.react(plot, spec.data, layout, CONFIG);
    if (anew && spec.onPoint) {
      plot.on("plotly_click", ({ points }) => {
        const unit = points.find((point) => point.customdata !== undefined)?.customdata;
        if (unit !== undefined) spec.onPoint(unit);
      });
    }
    drawnWidth = width;
  }

  /** Saves the picture as it is zoomed or turned, on white paper with its title. */
  async function savePicture(format) {
    const Plotly = await plotly();
    const width = Math.min(1100, Math.max(560, plot.clientWidth));
    const layout = layoutOf(specOf(width), PRINTED, width, spec.title);
    for (const [name, shown] of Object.entries(plot.layout ?? {})) {
      if (/^[xy]axis/.test(name)) layout[name] = { ...layout[name], range: shown.range };
      if (name === "scene") layout.scene = { ...layout.scene, camera: shown.camera };
    }
    layout.paper_bgcolor = PRINTED.paper;
    const size = { width, height: layout.height, scale: format === "png" ? 2 : 1 };
    const figure = { data: spec.data, layout };
    await Plotly.downloadImage(figure, { format, filename: fileName(spec.name), ...size });
  }

  const self = {
    async draw() {
      try {
        put(await plotly(), pageLook(), plot.clientWidth);
      } catch (error) {
        replace(note, failure("This chart could not be drawn", error));
      }
    },
    print: () => spec.webgl || put(globalThis.Plotly, PRINTED, Math.min(plot.clientWidth, PAPER)),
    /** Draws soon, for the first time when the chart comes near the window. */
    schedule() {
      stale = true;
      if (!near && !drawnWidth) return;
      due.add(self);
      drawing ??= drawDue();
    },
  };
  const place = new IntersectionObserver(
    (entries) => {
      near = entries.some(({ isIntersecting }) => isIntersecting);
      if (stale) self.schedule();
    },
    { rootMargin: "500px" },
  );
  const size = new ResizeObserver(() => plot.clientWidth !== drawnWidth && self.schedule());
  place.observe(plot);
  size.observe(plot);
  charts.add(self);
  signal.addEventListener("abort", () => {
    charts.delete(self);
    due.delete(self);
    place.disconnect();
    size.disconnect();
    if (drawnWidth) globalThis.Plotly.purge(plot);
  });
  describe();
  self.schedule();
  return (next) => {
    given = next;
    describe();
    self.schedule();
  };
}

/** Points as they are drawn, a line for each; the axes' titles name the numbers. */
function numbersOf({ data, layout, pointName = "unit" }) {
  const several = layout.yaxis2 && "value"; // panels with different axes
  const name = (axis) => layout[axis]?.title?.text ?? axis[0];
  const rows = data.flatMap((trace) =>
    trace.x.map((x, k) => [
      trace.name,
      trace.customdata?.[k],
      x,
      trace.y?.[k],
      trace.z?.[k],
      trace.text?.[k]?.replace(/<[^>]*>/g, "; "),
    ]),
  );
  const heads = ["series", pointName, name("xaxis"), several ?? name("yaxis"), "z", "text"];
  const columns = heads.map((head, k) => [head, rows.map((row) => row[k])]);
  return Object.fromEntries(columns.filter(([, values]) => values.some((v) => v !== undefined)));
}
