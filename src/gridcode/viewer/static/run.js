/** The page of one run, evaluated or not, or of anybody's scored cells; the same in a report and in the explorer. */

import { h, replace, withCode } from "gridcode/dom.js";
import { arenasSection, gallerySection, modulesSection, scoresSection } from "gridcode/cell-sections.js";
import {
  controlsSection,
  sourceSection,
  spaceSection,
  statesSection,
  tableSection,
  theorySection,
  trainingSection,
} from "gridcode/network-sections.js";
import { firstSentence, whole } from "gridcode/format.js";
import { go, runHref, sectionHref, unitHref } from "gridcode/routes.js";
import { laySections } from "gridcode/section.js";
import { forget, load, served } from "gridcode/source.js";
import { unitDialog } from "gridcode/unit.js";
import { STATES } from "gridcode/words.js";

const POLL_MS = 3000;

/**
 * Fills an element with the page of a run.
 * @param {HTMLElement} element
 * @param {{id: string, unit?: ?string, section?: ?string}} where
 * @param {AbortSignal} signal ends the page: timers, observers, charts
 * @param {function()} again makes the page anew, after a training or evaluation ended
 * @returns {Promise<{title: string, show: function(Object)}>} `show` moves within the page
 */
export async function runPage(element, where, signal, again) {
  const { id } = where;
  const found = await load(`runs/${id}/run`, { fresh: served });
  if (!found) throw new Error(id ? `there is no run ${id} here` : "this page holds no run");
  if (served) ["metrics", "history"].forEach((name) => forget(`runs/${id}/${name}`));
  const run = withUnits(found);
  import("gridcode/download.js").then(({ savedFrom }) => savedFrom({ id, name: run.name ?? id }), () => {});
  const page = {
    id,
    run,
    signal,
    gallery: null,
    newMetrics: null,
    newMoments: null,
    openUnit(unit) {
      // Where to go back to: what opened it, unless that is the gallery, where the unit last shown has a tile of its own.
      if (!dialog.isOpen()) opener = document.activeElement?.matches("button:not(.tile)") ? document.activeElement : null;
      go(unitHref(id, unit), { replace: dialog.isOpen() });
    },
    keep: (handles) => handles.forEach((handle) => handle && kept.push(handle)),
  };
  const kept = [];
  let opener = null;
  signal.addEventListener("abort", () => {
    dialog.close();
    kept.forEach((handle) => handle.destroy?.());
  });

  const dialog = unitDialog({
    id,
    run,
    order: () => page.gallery?.order() ?? run.units.map((row) => String(row.unit)),
    onGo: page.openUnit,
    onClose(unit) {
      if (!signal.aborted && at.unit) {
        if (history.state?.within) history.back(); // to the run, as if the unit had been left by the browser's own button
        else go(runHref(id), { replace: true });
      }
      if (opener?.isConnected) opener.focus({ preventScroll: true });
      else if (page.gallery?.order().includes(unit)) page.gallery.focus(unit);
      else if (!signal.aborted) head.querySelector("h1").focus({ preventScroll: true });
    },
  });

  const sections = sectionsOf(page);
  const head = h("div", {});
  const body = h("div", { class: "sections" });
  replace(element, head, contents(id, sections), body, dialog.element);
  fillHead(head, run);
  const laid = laySections(body, sections, signal);
  let at = {};

  function show(next) {
    at = next;
    if (next.unit) dialog.show(next.unit);
    else dialog.close();
    if (next.section) laid.show(next.section);
  }
  if (served && run.state === "training") follow(page, head, signal, again);
  return { title: run.title ?? run.name, show };
}

/** A run with a row for each unit, which hold no more than their numbers before there is an evaluation. */
function withUnits(run) {
  const evaluated = run.units.length > 0;
  const units = evaluated
    ? run.units
    : Array.from({ length: run.config?.["model.units"] ?? 0 }, (_, unit) => ({ unit, type: null, module: null, grid_score: null }));
  return { ...run, evaluated, units };
}

/** The sections that this run has something for, in the order of the page. */
function sectionsOf(page) {
  const { run } = page;
  const { evaluated } = run;
  return [
    (evaluated || run.has.history) && gallerySection(page),
    evaluated && modulesSection(page),
    run.has.states && statesSection(page),
    evaluated && scoresSection(page),
    run.groups.length > 1 && run.has.maps.length > 1 && arenasSection(page),
    run.space?.length && spaceSection(page),
    run.has.metrics && trainingSection(page),
    run.has.states && controlsSection(page),
    (run.theory?.length || ["dynamics", "mechanism", "coding"].some((name) => run.has.figures.includes(name))) && theorySection(page),
    run.tables.units?.rows.length && tableSection(page),
    sourceSection(page),
  ].filter(Boolean);
}

/** Name, verdict, notes, headline numbers. */
function fillHead(element, run) {
  const kept = (run.verdict ?? "").replace(/([≤≥=]) |(\d) (?=(?:cm|mm|m|deg)\b)/g, "$1$2\u00a0"); // a number stays with its unit
  const [first, rest] = firstSentence(kept);
  const state = run.kind !== "population" && run.state !== "evaluated" && run.state;
  const live = run.state === "training" && run.last ? ` · step ${whole(run.last.step)} of ${whole(run.config?.["training.steps"])}` : "";
  replace(
    element,
    h(
      "header",
      { class: "run-head" },
      h("h1", { tabindex: -1 }, run.title ?? run.name),
      state && h("p", { class: `state ${state}` }, withCode(STATES[state] ?? state), live),
    ),
    run.problem && h("p", { class: "failure" }, withCode(run.problem)),
    first && h("p", { class: first.length > 160 ? "verdict long" : "verdict" }, first),
    rest && h("p", { class: "verdict-rest" }, rest),
    cards(run.cards ?? []),
    run.notes?.length
      ? h(
          "div",
          { class: "notes" },
          run.notes.map((text) => h("p", {}, withCode(text))),
        )
      : null,
  );
}

function cards(list) {
  if (!list.length) return null;
  return h(
    "dl",
    { class: "cards" },
    list.map(({ label, value, detail }) =>
      h("div", {}, h("dt", {}, label), h("dd", { class: "number" }, value), detail && h("dd", { class: "faint" }, detail)),
    ),
  );
}

function contents(id, sections) {
  return h(
    "nav",
    { class: "contents", "aria-label": "Sections" },
    sections.map(({ id: section, title, short }) => h("a", { href: sectionHref(id, section) }, short ?? title)),
  );
}

/** Looks every few seconds how far the training is; makes the page anew when it is no longer one. */
async function follow(page, head, signal, again) {
  const { id } = page;
  const wait = () => new Promise((resolve) => setTimeout(resolve, POLL_MS));
  for (await wait(); !signal.aborted; await wait()) {
    if (document.hidden) continue;
    try {
      const [run, metrics] = await Promise.all([load(`runs/${id}/run`, { fresh: true }), load(`runs/${id}/metrics`, { fresh: true })]);
      if (signal.aborted) return;
      if (
        !run ||
        run.state !== page.run.state ||
        run.has.metrics !== page.run.has.metrics ||
        Boolean(run.has.history) !== Boolean(page.run.has.history)
      )
        return void again();
      fillHead(head, run);
      if (metrics) page.newMetrics?.(metrics);
      if ((run.has.history?.length ?? 0) > (page.run.has.history?.length ?? 0)) {
        page.run.has.history = run.has.history;
        await page.newMoments?.();
      }
    } catch (error) {
      if (signal.aborted) return;
      head.querySelector(".state")?.replaceChildren(`No news: ${error.message}`);
    }
  }
}
