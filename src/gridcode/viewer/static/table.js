/** Tables of text that the evaluation wrote: sortable by any column, to be searched where they are long, and saved. */

import { h, replace } from "gridcode/dom.js";
import { saveButton } from "gridcode/drawing.js";

const LONG = 16;
const COLLATOR = new Intl.Collator("en", { numeric: true });

/**
 * A table.
 * @param {{head: string[], rows: string[][], text_columns: number[]}} data
 * @param {{label: string, name: string, onRow?: function(string)}} options `label` says what it shows, `name` is that of its file,
 *   `onRow` is called with the first cell of a row that was chosen, which then becomes a button
 * @returns {HTMLElement}
 */
export function table({ head, rows, text_columns: texts }, { label, name, onRow = null }) {
  const text = new Set(texts);
  const sorted = { column: -1, up: true };
  const body = h("tbody", {});
  const headings = head.map((title, column) =>
    h(
      "th",
      { scope: "col", class: text.has(column) ? "text" : null },
      h("button", { type: "button", onclick: () => sortBy(column) }, title),
    ),
  );
  let wanted = "";

  function sortBy(column) {
    sorted.up = sorted.column === column ? !sorted.up : text.has(column);
    sorted.column = column;
    headings.forEach((heading, k) =>
      k === column ? heading.setAttribute("aria-sort", sorted.up ? "ascending" : "descending") : heading.removeAttribute("aria-sort"),
    );
    fill();
  }

  function fill() {
    const chosen = wanted ? rows.filter((row) => row.some((cell) => cell.toLowerCase().includes(wanted))) : rows;
    const ordered = sorted.column < 0 ? chosen : [...chosen].sort(by(sorted, text.has(sorted.column)));
    replace(
      body,
      ordered.map((row) =>
        h(
          "tr",
          {},
          row.map((cell, column) =>
            h(
              "td",
              { class: text.has(column) ? "text" : null },
              column === 0 && onRow ? h("button", { type: "button", class: "link", onclick: () => onRow(cell) }, cell) : cell,
            ),
          ),
        ),
      ),
    );
  }

  const search =
    rows.length >= LONG &&
    h(
      "label",
      { class: "field" },
      h("span", {}, "Search"),
      h("input", {
        type: "search",
        autocomplete: "off",
        spellcheck: "false",
        oninput: (event) => ((wanted = event.target.value.trim().toLowerCase()), fill()),
      }),
    );
  const tools = h("div", { class: "controls table-tools" }, search);
  saveButton(tools, {
    name,
    columns: () => Object.fromEntries(head.map((title, column) => [unique(head, column, title), rows.map((row) => row[column])])),
    header: [`${label}, rounded as on the page`, "source: evaluation/summary.json"],
  });
  fill();
  return h(
    "div",
    { class: "table" },
    tools,
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
      h("table", {}, h("thead", {}, h("tr", {}, headings)), body),
    ),
  );
}

/** Names and values in two columns. */
export function pairs(entries) {
  const rows = Object.entries(entries ?? {}).map(([key, value]) =>
    h("tr", {}, h("th", { scope: "row", class: "text" }, key.replaceAll("_", " ")), h("td", { class: "text wrap" }, written(value))),
  );
  return h("div", { class: "scroll" }, h("table", { class: "pairs" }, h("tbody", {}, rows)));
}

function written(value) {
  if (value === null || value === undefined) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function by({ column, up }, isText) {
  const sign = up ? 1 : -1;
  return (a, b) => {
    if (isText) return sign * COLLATOR.compare(a[column], b[column]);
    const [first, second] = [number(a[column]), number(b[column])];
    if (Number.isNaN(first) || Number.isNaN(second)) return Number.isNaN(first) - Number.isNaN(second);
    return sign * (first - second);
  };
}

function number(text) {
  return Number.parseFloat(text.replaceAll(",", "").replace("−", "-"));
}

function unique(head, column, title) {
  const before = head.slice(0, column).filter((other) => other === title).length;
  return before ? `${title} (${before + 1})` : title;
}
