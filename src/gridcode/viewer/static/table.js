/** Tables: sortable by any column, searchable where long, scrolling where wide. */

import { h, replace, search } from "gridcode/dom.js";
import { saveCsv, saveMenu } from "gridcode/save.js";

const LONG = 16;
const COLLATOR = new Intl.Collator("en", { numeric: true });

/** Compares two values, numbers or text, with unknown ones last; `sign` -1 turns the others. */
export function compareValues(a, b, sign) {
  const missing = (value) => value === null || value === undefined || Number.isNaN(value);
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  return sign * (typeof a === "string" ? COLLATOR.compare(a, b) : a - b);
}

/** Headings of columns that are buttons; `onChoose` takes the number of a column. */
export const headings = (columns, onChoose) =>
  columns.map(({ title, text }, k) =>
    h(
      text ? "th.text" : "th",
      { scope: "col" },
      h("button", { onclick: () => onChoose(k) }, title),
    ),
  );

/** Shows by which heading a table is sorted. */
export const markSorted = (heads, column, up) =>
  heads.forEach((heading, k) => {
    const order = up ? "ascending" : "descending";
    if (k === column) heading.setAttribute("aria-sort", order);
    else heading.removeAttribute("aria-sort");
  });

/** A table or other wide content that scrolls sideways, with a shadow where it goes on. */
export const scrolling = (label, ...content) =>
  h("div.scroll", { tabindex: 0, role: "region", "aria-label": label }, content);

/**
 * A table of text that the evaluation wrote. `label` says what it shows, `name` is that of its
 * file; `onRow` takes the first cell of a chosen row.
 */
export function table({ head, rows, text_columns: texts }, { label, name, onRow = null }) {
  const columns = head.map((title, k) => ({ title, text: texts.includes(k) }));
  const body = h("tbody");
  let wanted = "";
  let sorted = { column: -1, up: true };

  const heads = headings(columns, (column) => {
    sorted = { column, up: sorted.column === column ? !sorted.up : columns[column].text };
    markSorted(heads, column, sorted.up);
    fill();
  });

  function fill() {
    const { column, up } = sorted;
    const value = (row) => (columns[column].text ? row[column] : number(row[column]));
    const chosen = rows.filter((row) => row.some((cell) => cell.toLowerCase().includes(wanted)));
    if (column >= 0) chosen.sort((a, b) => compareValues(value(a), value(b), up ? 1 : -1));
    replace(
      body,
      chosen.map((row) => h("tr", row.map(cellOf))),
    );
  }

  const cellOf = (cell, k) => {
    const link = onRow && k === 0;
    const content = link ? h("button.link", { onclick: () => onRow(cell) }, cell) : cell;
    return h(columns[k].text ? "td.text" : "td", content);
  };
  const searching = search("Search", "", (text) => {
    wanted = text;
    fill();
  });
  const tools = h("div.controls.table-tools", rows.length >= LONG && searching);
  // Two columns may have one heading.
  const unique = (title, k) => (head.indexOf(title) === k ? title : `${title} (${k + 1})`);
  const column = (title, k) => [unique(title, k), rows.map((row) => row[k])];
  const header = [`${label}, rounded as on the page`, "source: evaluation/summary.json"];
  saveMenu(tools, { name, csv: () => saveCsv(name, Object.fromEntries(head.map(column)), header) });
  fill();
  return h("div.table", tools, scrolling(label, h("table", h("thead", h("tr", heads)), body)));
}

/** Names and values in two columns. */
export function pairs(entries) {
  const written = (value) =>
    value !== null && typeof value === "object" ? JSON.stringify(value) : String(value ?? "–");
  const lines = Object.entries(entries).map(([key, value]) =>
    h(
      "tr",
      h("th.text", { scope: "row" }, key.replaceAll("_", " ")),
      h("td.text.wrap", written(value)),
    ),
  );
  return h("table.pairs", h("tbody", lines));
}

const number = (text) => Number.parseFloat(text.replaceAll(",", "").replace("−", "-"));
