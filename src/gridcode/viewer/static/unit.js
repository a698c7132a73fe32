/** The page of one unit: a dialog over the run's page, with its own address. */

import { isModule, moduleColour } from "gridcode/colours.js";
import { h, replace } from "gridcode/dom.js";
import { known, sentence } from "gridcode/format.js";
import { nullChart } from "gridcode/null-chart.js";
import { note } from "gridcode/section.js";
import { swatch, tuningText } from "gridcode/tile.js";
import { facts } from "gridcode/unit-facts.js";
import { sessionPanels } from "gridcode/session-pictures.js";
import { correlogram, everywhere, largeMap, phases, spectrum } from "gridcode/unit-pictures.js";

/**
 * The dialog of a run; made once, filled for one unit after another. `order` are the names of the
 * units in the gallery; `onGo` changes the address; `onClose` takes the unit last shown.
 */
export function unitDialog({ id, run, order, onGo, onClose }) {
  let current = null;
  let life = new AbortController(); // of what is shown now
  let slider = null; // of the unit that is shown
  const content = h("div.unit");
  const dialog = h("dialog.unit-dialog", { "aria-labelledby": "unit-title" }, content);

  const neighbour = (by) => {
    const names = order().includes(current) ? order() : run.units.map((row) => String(row.unit));
    return names[names.indexOf(current) + by];
  };

  function show(name, step) {
    if (dialog.open && name === current) return void slider?.goTo(step);
    const index = run.units.findIndex((row) => String(row.unit) === name);
    current = name;
    const held = document.activeElement?.dataset.step;
    life.abort();
    life = new AbortController();
    slider = null;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    const row = run.units[index];
    const { signal } = life;
    const onSlider = (made) => signal.aborted || (slider = made);
    const context = { id, run, row, index, step, signal, onSlider };
    const body = row
      ? page({ ...context, ...sizes(dialog.clientWidth) })
      : h("p", "This run has no unit of that name.");
    replace(content, header(name, row), body);
    const again = held && content.querySelector(`[data-step="${held}"]:not(:disabled)`);
    (again || content.querySelector(".close")).focus({ preventScroll: true });
  }

  function header(name, row) {
    const step = (by, label, text) => {
      const attributes = { "data-step": by, "aria-label": label };
      const disabled = neighbour(by) === undefined;
      const onclick = () => onGo(neighbour(by));
      return h("button.quiet", { ...attributes, disabled, onclick }, text);
    };
    const module = row && isModule(row.module) ? `, module ${row.module}` : "";
    return h(
      "header.unit-head",
      h("h2", { id: "unit-title" }, row && swatch(row.module), `Unit ${name}`),
      row && h("p.faint", [row.type, tuningText(row)].filter(Boolean).join(" · "), module),
      h(
        "nav",
        { "aria-label": "Units" },
        step(-1, "Previous unit", "←"),
        step(1, "Next unit", "→"),
        h("button.quiet.close", { onclick: () => dialog.close() }, "Close"),
      ),
    );
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.matches("input, select, summary")) return;
    const name = neighbour({ ArrowLeft: -1, ArrowRight: 1 }[event.key]);
    if (name === undefined) return;
    event.preventDefault();
    onGo(name);
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    life.abort();
    replace(content);
    onClose(current);
  });
  return { element: dialog, show, close: () => dialog.close(), isOpen: () => dialog.open };
}

/** Sides of the pictures: map, autocorrelogram, and two small ones above one another. */
function sizes(dialogWidth) {
  const width = Math.min(dialogWidth, 1120);
  if (width < 760) {
    const size = Math.min(width - 36, 400);
    return { size, small: Math.min(size, 260) };
  }
  const size = Math.floor(Math.min(420, (width - 72 - 56) / 2.56));
  return { size, small: Math.floor(size * 0.56) };
}

function page(context) {
  const { run, row, size, small } = context;
  const arenas = everywhere(context);
  const first = h("div.stack", largeMap(context));
  const second = h("div.stack", run.has.correlograms.length > 0 && correlogram(context));
  sessionPanels(context).then(({ path, direction }) => {
    if (path) first.append(path);
    if (direction) second.append(direction);
  });
  return [
    row.evidence && h("p.evidence", sentence(row.evidence)),
    row.reason && h("p.faint", `Note: ${row.reason}`),
    h(
      "div.unit-pictures",
      { style: { "--size": `${size}px`, "--small": `${small}px` } },
      first,
      second,
      h("div.stack", run.has.spectra && spectrum(context), phases(context)),
    ),
    h(
      "div.unit-tests",
      known(row.grid_score) &&
        h(
          "section",
          h("h3", "Scores against its null maps"),
          note(`Grey: where 95% of the unit's own null maps lie. Null maps keep what the map is
            made of, but not its lattice. p: how often such maps score as high; beyond the highest
            of them from the tail of their distribution.`),
          nullChart(row, moduleColour(row.module)),
        ),
      arenas && h("section", h("h3", "In every arena"), arenas),
    ),
    facts(row),
  ];
}
