/**
 * The frame around every chart: title, picture, note, save menu. It draws when the chart comes near the window, follows the width of its place and the
 * colours of the page, prints in light colours at the width of paper, and says in words what went wrong.
 */

import { scalesReady } from "gridcode/chart-colours.js";
import { startFrames } from "gridcode/chart-life.js";
import { styleCharts } from "gridcode/chart-style.js";
import { menu, saveCsv, savePlot } from "gridcode/download.js";
import { baseLayout, CONFIG, lookOf, plotly, plotlyNow, PRINTED } from "gridcode/plots.js";

const NARROWEST = 240;
// Width of a saved picture, and of a printed one between the margins of A4, in pixels of CSS.
const SAVED = { least: 560, most: 1100 };
const PAPER = 640;

/**
 * What a chart is. All functions are pure; `data` is what its caller handed in.
 * @typedef {object} Spec
 * @property {string} name of the file it is saved as, and of the menu
 * @property {string|((data: any) => string)} title
 * @property {string} source file of the run that holds the numbers
 * @property {(data: any) => string} describe one sentence with the main numbers, for those who do not see it
 * @property {(data: any) => string} [empty] what to say where there is nothing to show, else ""
 * @property {(data: any) => string} [note] below the picture
 * @property {(data: any, width: number) => number} height in pixels
 * @property {(data: any, look: object, width: number) => {data: object[], layout: object}} figure for Plotly; the layout on top of the common one
 * @property {(data: any) => [string, any[]][]} columns its numbers, names with units
 * @property {string[]} [about] further header lines of the CSV
 * @property {(point: object) => void} [click] a click on a point
 * @property {boolean} [webgl] three-dimensional: neither printed nor made narrower for paper
 */

/**
 * Draws a chart into an element, now or when it comes into view.
 * @param {HTMLElement} el is emptied
 * @param {Spec} spec
 * @param {any} data
 * @param {{title?: string, file?: string, save?: boolean}} [options] `title: ""` leaves it to the page; `file` begins the names of saved files; `save: false`: no menu
 * @returns {Frame} with `update(data)`, `destroy()`, `plot`, and `drawn`, a promise
 */
export function chart(el, spec, data, options = {}) {
  return new Frame(el, spec, data, options);
}

class Frame {
  constructor(el, spec, data, options) {
    Object.assign(this, { el, spec, data, options, state: "waiting", width: 0, printing: false });
    this.drawn = new Promise((resolve) => (this.announce = resolve));
    styleCharts();
    const part = (tag, name) => Object.assign(document.createElement(tag), { className: name });
    this.box = part("div", `chart${spec.webgl ? " chart-webgl" : ""}`);
    this.head = part("div", "chart-head");
    this.title = part("p", "chart-title");
    this.plot = part("div", "chart-plot");
    this.plot.setAttribute("role", "img");
    this.plot.gridcodeChart = this;
    this.note = part("p", "chart-note");
    this.head.append(this.title);
    this.box.append(this.head, this.plot, this.note);
    el.replaceChildren(this.box);
    if (options.save !== false) {
      const save = (format) => () => savePlot(this, this.file, format);
      this.menu = menu(this.head, { name: this.file, png: save("png"), svg: spec.webgl ? undefined : save("svg"), csv: () => this.saveNumbers() });
    }
    this.words();
    this.life = startFrames(this);
  }

  get file() {
    return [this.options.file, this.spec.name].filter(Boolean).join("-");
  }

  get titleText() {
    return typeof this.spec.title === "function" ? this.spec.title(this.data) : this.spec.title;
  }

  /** New numbers in the same chart; zoom and hidden series stay. */
  update(data) {
    this.data = data;
    this.words();
    this.life.again(this);
  }

  /** Removes the chart and everything that listens for it. */
  destroy() {
    this.state = "gone";
    this.life.end(this);
    this.menu?.destroy();
    plotlyNow()?.purge(this.plot);
    this.box.remove();
  }

  /** Frees the picture of a chart that is not on the page any more; it is drawn again if it comes back. */
  rest() {
    if (this.state === "drawn") plotlyNow()?.purge(this.plot);
    if (this.state !== "gone") this.state = "waiting";
  }

  saveNumbers() {
    const { spec, data } = this;
    saveCsv(this.file, spec.columns(data), [this.titleText, spec.describe(data), ...(spec.about ?? []), `source: ${spec.source}`]);
  }

  /** Everything but the picture. */
  words() {
    const { spec, data } = this;
    this.nothing = spec.empty?.(data) ?? "";
    const title = this.options.title ?? this.titleText;
    this.title.textContent = title;
    this.title.hidden = !title;
    this.note.textContent = this.nothing || (spec.note?.(data) ?? "");
    this.note.hidden = !this.note.textContent;
    this.plot.setAttribute("aria-label", this.nothing ? `${this.titleText}: ${this.nothing}` : spec.describe(data));
    this.plot.hidden = Boolean(this.nothing);
    if (this.menu) this.menu.element.hidden = Boolean(this.nothing);
    if (!this.nothing) this.plot.style.height = `${spec.height(data, this.plot.clientWidth || 600)}px`;
  }

  /** Draws, once Plotly is there. */
  async draw() {
    if (this.nothing || this.state === "gone" || !this.plot.clientWidth) return;
    try {
      const Plotly = await plotly();
      await scalesReady();
      if (this.state === "gone") return;
      await this.put(Plotly, this.plot.clientWidth, lookOf(this.plot));
      if (this.state === "waiting") {
        this.state = "drawn";
        this.listen();
      }
      this.announce(this);
    } catch (error) {
      this.note.textContent = `This chart could not be drawn: ${error.message}.`;
      this.note.hidden = false;
    }
  }

  put(Plotly, width, look) {
    this.width = width;
    const figure = this.figure(width, look);
    this.plot.style.height = `${figure.layout.height}px`;
    return Plotly.react(this.plot, figure.data, figure.layout, CONFIG);
  }

  figure(width, look) {
    const made = this.spec.figure(this.data, look, Math.max(NARROWEST, width));
    const height = this.spec.height(this.data, width);
    return { data: made.data, layout: { ...baseLayout(look), width: Math.max(NARROWEST, width), height, ...made.layout } };
  }

  listen() {
    const { click } = this.spec;
    if (!click) return;
    const cursor = (name) => this.plot.querySelectorAll(".nsewdrag").forEach((area) => (area.style.cursor = name));
    this.plot.on("plotly_hover", ({ points }) => cursor(points.some((point) => point.customdata !== undefined) ? "pointer" : ""));
    this.plot.on("plotly_unhover", () => cursor(""));
    this.plot.on("plotly_click", ({ points }) => {
      const point = points.find((p) => p.customdata !== undefined);
      if (point) click(point);
    });
  }

  /** The picture as it is zoomed, on white paper. */
  async figureToSave() {
    await scalesReady();
    const width = Math.min(SAVED.most, Math.max(SAVED.least, this.plot.clientWidth));
    const figure = this.figure(width, PRINTED);
    for (const [name, shown] of Object.entries(this.plot.layout ?? {})) {
      if (/^[xy]axis\d*$/.test(name) && figure.layout[name] && shown.range)
        Object.assign(figure.layout[name], { range: [...shown.range], autorange: false });
      if (/^scene/.test(name)) figure.layout[name] = { ...figure.layout[name], camera: this.plot._fullLayout?.[name]?.camera ?? shown.camera };
    }
    figure.layout.paper_bgcolor = PRINTED.paper;
    return figure;
  }

  /** Light and as wide as paper, at once: the browser does not wait. What has not been drawn yet is drawn now. */
  beforePrint() {
    const Plotly = plotlyNow();
    if (!Plotly || this.nothing || this.spec.webgl || this.state === "gone" || !this.plot.clientWidth) return;
    this.printing = true;
    if (this.state === "waiting") {
      this.state = "drawn";
      queueMicrotask(() => this.listen());
    }
    this.put(Plotly, Math.min(this.plot.clientWidth, PAPER), PRINTED);
    // Where the printed column is narrower still, the drawing shrinks with it.
    for (const svg of this.plot.querySelectorAll(".main-svg"))
      svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${svg.getAttribute("height")}`);
  }

  afterPrint() {
    if (!this.printing) return;
    this.printing = false;
    for (const svg of this.plot.querySelectorAll(".main-svg")) svg.removeAttribute("viewBox");
    this.life.again(this);
  }
}
