/** The page of one unit: a dialog over the run's page, with an address of its own. */

import { h, replace } from "gridcode/dom.js";
import { isModule } from "gridcode/colours.js";
import { nullChart } from "gridcode/null-chart.js";
import { swatch } from "gridcode/tile.js";
import { facts } from "gridcode/unit-facts.js";
import { correlogram, everywhere, largeMap, phases, spectrum, unitColour } from "gridcode/unit-pictures.js";

/**
 * The dialog of a run; made once, filled for one unit after another.
 * @param {{id: string, run: Object, order: function(): string[], onGo: function(string), onClose: function(string)}} options
 *   `order` are the units' names in the order of the gallery; `onGo` changes the address; `onClose` gets the unit last shown
 * @returns {{element: HTMLDialogElement, show: function(string), close: function(), isOpen: function(): boolean}}
 */
export function unitDialog({ id, run, order, onGo, onClose }) {
  let current = null;
  let life = null; // of what is shown now
  const content = h("div", { class: "unit" });
  const dialog = h("dialog", { class: "unit-dialog", "aria-labelledby": "unit-title" }, content);

  const neighbour = (step) => {
    const names = order().includes(current) ? order() : run.units.map((row) => String(row.unit));
    return names[names.indexOf(current) + step] ?? null;
  };

  function show(name) {
    const index = run.units.findIndex((row) => String(row.unit) === name);
    current = name;
    const held = content.contains(document.activeElement) ? document.activeElement.dataset.step : null;
    life?.abort();
    life = new AbortController();
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    const head = header(name, run.units[index], neighbour(-1), neighbour(1));
    if (index < 0) {
      replace(content, head, h("p", {}, "This run has no unit of that name."));
    } else {
      const width = Math.min(dialog.clientWidth || 900, 1120);
      const narrow = width < 760;
      // Three columns side by side with 28 pixels between: map, autocorrelogram, and two small pictures above one another.
      const size = Math.floor(narrow ? Math.min(width - 36, 400) : Math.min(420, (width - 72 - 56) / 2.56));
      const small = Math.floor(narrow ? Math.min(size, 260) : size * 0.56);
      replace(
        content,
        head,
        page({ id, run, row: run.units[index], index, signal: life.signal, size, small, width: narrow ? width - 36 : 500 }),
      );
    }
    const again = held && content.querySelector(`[data-step="${held}"]:not(:disabled)`);
    (again ?? content.querySelector(".close")).focus({ preventScroll: true });
  }

  function header(name, row, previous, next) {
    const step = (by, target, label, text) =>
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          "data-step": label,
          disabled: target === null,
          "aria-label": target === null ? label : `${label}: ${target}`,
          onclick: () => {
            // The gallery may have come, or changed its order, since this button was made.
            const next = neighbour(by);
            if (next !== null) onGo(next);
          },
        },
        text,
      );
    return h(
      "header",
      { class: "unit-head" },
      h("h2", { id: "unit-title" }, row && swatch(row.module), `Unit ${name}`),
      row && h("p", { class: "unit-kind" }, row.type ?? "", isModule(row.module) ? `, module ${row.module}` : ""),
      h(
        "nav",
        { "aria-label": "Units" },
        step(-1, previous, "Previous unit", "←"),
        step(1, next, "Next unit", "→"),
        h("button", { type: "button", class: "quiet close", "aria-label": "Close", onclick: () => dialog.close() }, "Close"),
      ),
    );
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select, summary")) return;
    const target = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const name = target && neighbour(target);
    if (!name) return;
    event.preventDefault();
    onGo(name);
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // beside the page
  dialog.addEventListener("close", () => {
    life?.abort();
    replace(content);
    onClose(current);
  });
  return { element: dialog, show, close: () => dialog.open && dialog.close(), isOpen: () => dialog.open };
}

function page(context) {
  const { row } = context;
  const map = largeMap(context);
  const lags = context.run.has.correlograms.length ? correlogram(context) : null;
  const waves = context.run.has.spectra ? spectrum(context) : null;
  const cell = phases(context);
  const arenas = everywhere(context);
  return [
    row.evidence && h("p", { class: "evidence" }, sentence(row.evidence)),
    row.reason && h("p", { class: "faint" }, `Note: ${row.reason}`),
    h(
      "div",
      { class: "unit-pictures", style: { "--size": `${context.size}px`, "--small": `${context.small}px` } },
      map.element,
      lags?.element,
      (waves || cell) && h("div", { class: "stack" }, waves?.element, cell?.element),
    ),
    h(
      "div",
      { class: "unit-tests" },
      Number.isFinite(row.grid_score) &&
        h(
          "section",
          {},
          h("h3", {}, "Scores against its null maps"),
          h(
            "p",
            { class: "note" },
            "Grey: where 95% of the unit's own null maps stay, which keep what its map is made of, but not its lattice. p: how " +
              "often such maps score as high; beyond the highest of them from the tail of their distribution.",
          ),
          nullChart(row, unitColour(row), context.width),
        ),
      arenas && h("section", {}, h("h3", {}, "In every arena"), arenas.element),
    ),
    facts(row),
  ];
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
