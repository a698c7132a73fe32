/** Saving what is on the page: pictures, numbers as CSV, and the small menu that offers them. */

import { h } from "gridcode/dom.js";

let origin = null;

/** Names the run or runs of the page: saved files are named after it, and their numbers say so. */
export function savedFrom(id, name) {
  origin = { id, name };
}

/** A name of a file, without ending, that begins with that of the run and is safe anywhere. */
export const fileName = (name) =>
  (origin && !name.startsWith(origin.id) ? `${origin.id}-${name}` : name)
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[-.]+|[-.]+$/g, "")
    .slice(0, 100);

function saveBlob(blob, name, ending) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: `${fileName(name)}.${ending}` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // some browsers read it after the click
}

/** Saves a canvas as PNG at the resolution it is drawn in. */
export async function saveCanvas(canvas, name) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("this picture is empty or too large to save");
  saveBlob(blob, name, "png");
}

/** Saves columns by name as CSV (RFC 4180) after header lines that begin with `#`. */
export function saveCsv(name, columns, header) {
  const length = Math.max(0, ...Object.values(columns).map((values) => values.length));
  // A comment is one cell, which no spreadsheet takes for a formula.
  const comment = (text) => `# ${text.replace(/[\r\n]+/g, " ").replace(/,/g, ";")}`;
  const lines = [origin?.name, ...header].filter(Boolean).map(comment);
  lines.push(Object.keys(columns).map(cell).join(","));
  for (let row = 0; row < length; row++) {
    const cells = Object.values(columns).map((values) => cell(values[row]));
    lines.push(cells.join(","));
  }
  saveBlob(new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv" }), name, "csv");
}

function cell(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  let text = String(value);
  // Spreadsheets run text that begins like a formula; names come from the files of others.
  if (/^([=+@\t\r]|-.)/.test(text) && Number.isNaN(Number(text))) text = `'${text}`;
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

const KINDS = { png: "PNG picture", svg: "SVG drawing", csv: "CSV numbers" };

/** Adds a small "save" button that opens the choices given: png, svg, csv, functions each. */
export function saveMenu(element, { name, ...choices }) {
  const status = h("span.save-status", { role: "status" });
  const kinds = Object.keys(KINDS).filter((kind) => choices[kind]);
  const list = h(
    "div.save-list",
    { popover: true },
    kinds.map((kind) => h("button", { onclick: () => save(choices[kind]) }, KINDS[kind])),
  );
  const button = h("button.save-button", { "aria-label": `save ${name}`, onclick: open }, "save");
  function open() {
    list.togglePopover();
    const { right, bottom } = button.getBoundingClientRect();
    list.style.left = `${Math.max(8, right - list.offsetWidth)}px`;
    list.style.top = `${Math.min(bottom + 2, innerHeight - list.offsetHeight - 8)}px`;
  }
  async function save(choice) {
    list.hidePopover();
    status.textContent = "saving …";
    try {
      await choice();
      status.textContent = "";
    } catch (error) {
      status.textContent = `not saved: ${error.message}`;
    }
  }
  const menu = h("div.save-menu", status, button, list);
  element.append(menu);
  return menu;
}
