/** Saving what is on the page: a canvas or a chart as a picture, numbers as a table, and the small menu that offers them. */

import { styleCharts } from "gridcode/chart-style.js";
import { plotly } from "gridcode/plots.js";
import { picture } from "gridcode/saved-picture.js";

let origin = null;

/**
 * Says what the page that is shown is of: files saved from it are named after it, and their numbers say so.
 * @param {?{id: string, name: string}} what
 */
export function savedFrom(what) {
  origin = what;
}

/** A name that any system takes as that of a file. */
export function safeName(name) {
  const short = String(name)
    .normalize("NFKD")
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/-{2,}/g, "-");
  return short.replace(/^[-.]+|[-.]+$/g, "").slice(0, 100) || "gridcode";
}

/**
 * Hands a blob to the browser as a file.
 * @param {Blob} blob
 * @param {string} name with its ending
 */
export function saveBlob(blob, name) {
  const file = origin && !name.startsWith(origin.id) ? `${safeName(origin.id)}-${name}` : name;
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = file;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // Some browsers start to read only after the click has returned.
}

/**
 * Saves a canvas as PNG, at the resolution it is drawn in.
 * @param {HTMLCanvasElement} canvas
 * @param {string} name without ending
 */
export async function saveCanvas(canvas, name) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("this picture is empty or too large to save");
  saveBlob(blob, `${safeName(name)}.png`);
}

/**
 * A table as text by RFC 4180, after header lines that begin with `#`.
 * @param {Record<string, any[]> | [string, any[]][] | {name: string, values: any[]}[]} columns
 * @param {string[]} [headerLines] what the numbers are, units, source; without the `#`
 */
export function csvText(columns, headerLines = []) {
  const named = Array.isArray(columns) ? columns.map((c) => (Array.isArray(c) ? c : [c.name, c.values])) : Object.entries(columns);
  const rows = named.reduce((most, [, values]) => Math.max(most, values.length), 0);
  // One cell each, which no spreadsheet takes for a formula and every reader of comments skips.
  const lines = headerLines.map((line) => `# ${String(line).replace(/[\r\n]+/g, " ").replaceAll(",", ";").replaceAll('"', "'")}`);
  lines.push(named.map(([name]) => cell(name)).join(","));
  for (let row = 0; row < rows; row += 1) lines.push(named.map(([, values]) => cell(values[row])).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

function cell(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  // Spreadsheets run text that begins like a formula; names come from files of others.
  const text = /^[=+@\t\r]/.test(value) || (/^-./.test(value) && Number.isNaN(Number(value))) ? `'${value}` : String(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

/** Saves columns of numbers as CSV; arguments as of `csvText`, `name` without ending. */
export function saveCsv(name, columns, headerLines = []) {
  if (origin) headerLines = [origin.name, ...headerLines];
  saveBlob(new Blob([csvText(columns, headerLines)], { type: "text/csv;charset=utf-8" }), `${safeName(name)}.csv`);
}

/**
 * Saves a chart as it is zoomed, on white paper.
 * @param {import("gridcode/chart-frame.js").Frame} chart
 * @param {string} name without ending
 * @param {"png"|"svg"} [format]
 */
export async function savePlot(chart, name, format = "png") {
  const Plotly = await plotly();
  saveBlob(await picture(Plotly, await chart.figureToSave(), format, chart.titleText), `${safeName(name)}.${format}`);
}

const WORDS = { png: "PNG picture", svg: "SVG drawing", csv: "CSV numbers" };

/**
 * A small "save" button that opens the choices given.
 * @param {Element} el where the button goes
 * @param {{name: string, png?: Function, svg?: Function, csv?: Function}} choices what to do for each; may return a promise
 * @returns {{element: HTMLElement, destroy: () => void}}
 */
export function menu(el, { name, ...choices }) {
  styleCharts();
  const box = document.createElement("div");
  box.className = "save-menu";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "save-button";
  button.textContent = "save";
  button.setAttribute("aria-label", `save ${name}`);
  button.setAttribute("aria-expanded", "false");
  const list = document.createElement("div");
  list.className = "save-list";
  list.hidden = true;
  const said = document.createElement("span");
  said.className = "save-said";
  said.setAttribute("role", "status");
  for (const kind of Object.keys(WORDS).filter((k) => choices[k])) {
    const choice = document.createElement("button");
    choice.type = "button";
    choice.textContent = WORDS[kind];
    choice.addEventListener("click", async () => {
      open(false);
      button.focus();
      said.textContent = "saving …";
      try {
        await choices[kind]();
        said.textContent = "";
      } catch (error) {
        said.textContent = `not saved: ${error.message}`;
      }
    });
    list.append(choice);
  }
  const open = (yes) => {
    list.hidden = !yes;
    // Listened for only while the list is open: pages come and go with dozens of these menus.
    document[yes ? "addEventListener" : "removeEventListener"]("pointerdown", away);
    button.setAttribute("aria-expanded", String(yes));
  };
  const away = (event) => box.contains(event.target) || open(false);
  button.addEventListener("click", () => open(list.hidden));
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || list.hidden) return;
    event.preventDefault(); // The menu closes, not the dialog around it.
    event.stopPropagation();
    open(false);
    button.focus();
  });
  box.addEventListener("focusout", (event) => event.relatedTarget && away({ target: event.relatedTarget }));
  box.append(button, list, said);
  el.append(box);
  return {
    element: box,
    destroy() {
      document.removeEventListener("pointerdown", away);
      box.remove();
    },
  };
}
