/** The page of one run, evaluated or not, or of scored cells; in a report and in the explorer. */

import * as cells from "gridcode/cell-sections.js";
import { mapsOf } from "gridcode/decode.js";
import { commandLine } from "gridcode/command.js";
import { h, replace, wait, withCode } from "gridcode/dom.js";
import { STATES, firstSentence, short, whole } from "gridcode/format.js";
import { bestOf, indexed, modulesOf } from "gridcode/gallery.js";
import { drawRateMap } from "gridcode/maps.js";
import * as network from "gridcode/network-sections.js";
import { go, runHref, sectionHref, stepQuery, unitHref } from "gridcode/routes.js";
import { savedFrom } from "gridcode/save.js";
import { laySections } from "gridcode/section.js";
import { fillCells } from "gridcode/session-sections.js";
import { forget, load, served } from "gridcode/source.js";
import { unitDialog } from "gridcode/unit.js";

const POLL_MS = 3000;

/** Fills an element with the page of a run; `again` makes a new page after a training ended. */
export async function runPage(element, { id, step }, signal, again) {
  if (served) forget(`runs/${id}/`);
  const found = await load(`runs/${id}/run`);
  if (!found) throw new Error(id ? `there is no run ${id} here` : "this page holds no run");
  const run = withUnits(found);
  const { evaluation, weights, step: trained } = run.origin ?? {};
  const of = evaluation && `evaluation ${evaluation}; weights ${weights} of step ${trained}`;
  savedFrom(id, [run.name, of].filter(Boolean).join("; "));
  let opener = null;
  let at = {};
  const page = {
    id,
    run,
    step,
    signal,
    gallery: null,
    openUnit(unit) {
      // On closing, the focus returns to what opened the unit, or to its tile in the gallery.
      if (!dialog.isOpen()) opener = document.activeElement?.closest("button:not(.tile)");
      go(unitHref(id, unit) + stepQuery(), { replace: dialog.isOpen() });
    },
  };
  const dialog = unitDialog({
    id,
    run,
    order: () => page.gallery?.order() ?? run.units.map((row) => String(row.unit)),
    onGo: page.openUnit,
    onClose(unit) {
      if (signal.aborted) return;
      if (at.unit && history.state?.within) history.back();
      else if (at.unit) go(runHref(id) + stepQuery(), { replace: true });
      if (opener?.isConnected) opener.focus({ preventScroll: true });
      else page.gallery?.focus(unit);
    },
  });
  signal.addEventListener("abort", () => dialog.close());

  const sections = sectionsOf(page);
  const head = h("div");
  const body = h("div.sections");
  const contents = h(
    "nav.contents",
    { "aria-label": "Sections" },
    sections.map((section) => {
      const href = sectionHref(id, section.id);
      const link = h("a", { href }, section.short);
      link.addEventListener("click", () => (link.href = href + stepQuery()));
      return link;
    }),
  );
  const best = h("div.best");
  replace(element, head, best, contents, body, dialog.element);
  fillHead(head, run);
  addBestMaps(best, page);
  const showSection = laySections(body, sections, signal);
  if (run.state === "training" && served) follow(page, head, again);

  return {
    title: run.title,
    show(next) {
      at = next;
      page.step = next.step;
      if (!next.unit) page.goToStep?.(next.step);
      if (next.unit) dialog.show(next.unit, next.step);
      else dialog.close();
      if (next.section) showSection(next.section);
    },
  };
}

/** A run with rows of units, which hold only their numbers before there is an evaluation. */
function withUnits(run) {
  const evaluated = run.units.length > 0;
  const length = run.config["model.units"] ?? 0;
  let units = evaluated ? run.units : Array.from({ length }, (_, unit) => ({ unit }));
  if (run.kind === "population") units = units.map((row) => ({ ...row, peak: peakOf(run, row) }));
  return { ...run, evaluated, units };
}

/** The peak rate of a recorded unit, in words. */
const peakOf = ({ rate_unit: unit }, { peak_rate: peak }) => `${short(peak)} ${unit}`.trim();

/** The sections that this run has something for, in the order of the page. */
function sectionsOf(page) {
  const { run } = page;
  const { evaluated, has, units } = run;
  const figures = ["dynamics", "mechanism", "coding"];
  const theory = run.theory.length || figures.some((name) => has.figures.includes(name));
  const all = units.length === 1 ? "The unit" : `All ${units.length} units`;
  const first = evaluated || has.maps.length ? all : "Maps in training";
  const list = [
    // whether it is there, id, title, short title, what fills it
    [run.kind === "population", "cells", "Best units", "Best units", fillCells],
    [evaluated || has.maps.length || has.history, "units", first, "Units", cells.fillGallery],
    [evaluated, "modules", "Modules", "Modules", cells.fillModules],
    [has.states, "states", "Shape of the states", "Torus", network.fillStates],
    [evaluated, "scores", "Types, scores and p-values", "Scores", cells.fillScores],
    [has.maps.length > 1, "arenas", "The same units in every arena", "Arenas", cells.fillArenas],
    [run.space?.length, "space", "Distance and path integration", "Space", network.fillSpace],
    [has.metrics, "training", "Training", "Training", network.fillTraining],
    [has.states, "controls", "Controls", "Controls", network.fillControls],
    [theory, "theory", "State space, dynamics, code", "Theory", network.fillTheory],
    [evaluated, "table", "Every unit in numbers", "Numbers", network.fillTable],
    [true, "provenance", "Configuration and provenance", "Provenance", network.fillSource],
  ];
  return list
    .filter(([there]) => there)
    .map(([, id, title, short, fill]) => ({ id, title, short, fill: (body) => fill(body, page) }));
}

/** Name, verdict, headline numbers, notes. */
function fillHead(element, run) {
  const [first, rest] = firstSentence(run.verdict);
  const state = run.kind === "run" && run.state !== "evaluated" && run.state;
  const steps = run.config["training.steps"];
  const live = run.state === "training" && run.last;
  const progress = live ? ` · step ${whole(run.last.step)} of ${whole(steps)}` : "";
  replace(
    element,
    h(
      "header.run-head",
      h("h1", { tabindex: -1 }, run.title),
      state && h(`p.state.${state}`, withCode(STATES[state]), progress),
    ),
    run.recorded && h("p.recorded", run.recorded),
    run.problem && h("p.failure", withCode(run.problem)),
    first && h(first.length > 160 ? "p.verdict.long" : "p.verdict", first),
    rest && h("p.verdict-rest", rest),
    run.evaluate && commandLine(run.evaluate, "Evaluate this run"),
    run.cards.length > 0 && h("dl.cards", run.cards.map(card)),
    run.notes.length > 0 &&
      h(
        "div.notes",
        run.notes.map((text) => h("p", withCode(text))),
      ),
  );
}

const card = ({ label, value, detail }) =>
  h("div", h("dt", label), h("dd.number", value), detail && h("dd.faint", detail));

/** The best maps below the verdict, as many as fit into a line, each a link to its unit. */
async function addBestMaps(element, { id, run, openUnit }) {
  const all = indexed(run.units);
  const inModules = modulesOf(all).filter((module) => module !== null);
  const each = Math.ceil(8 / Math.max(1, inModules.length));
  const ofModule = (module) => bestOf(all.filter((row) => row.module === module), each);
  const rows = inModules.length ? inModules.flatMap(ofModule) : bestOf(all, 8);
  const group = run.headline_group ?? run.has.maps[0];
  const shownBelow = run.kind === "population"; // with all their pictures
  if (shownBelow || !rows.length || !run.has.maps.includes(group)) return;
  const maps = await load(`runs/${id}/maps/${group}`);
  const mapOf = maps && (await mapsOf(maps));
  for (const { unit, index } of mapOf ? rows : []) {
    const canvas = h("canvas", { "aria-hidden": "true" });
    drawRateMap(canvas, mapOf(index), { size: 96, place: { binM: maps.bin_size_m } });
    const open = () => openUnit(String(unit));
    element.append(h("button", { "aria-label": `Open unit ${unit}`, onclick: open }, canvas));
  }
}

/** Follows a training; makes a new page when it has ended. */
async function follow(page, head, again) {
  const { id, run, signal } = page;
  const fresh = { fresh: true };
  for (await wait(POLL_MS); !signal.aborted; await wait(POLL_MS)) {
    if (document.hidden) continue;
    try {
      const [now, metrics] = await Promise.all([
        load(`runs/${id}/run`, fresh),
        load(`runs/${id}/metrics`, fresh),
      ]);
      if (signal.aborted) return;
      const has = (which) => Boolean(which.has.history);
      const same = now?.state === run.state && now.has.metrics === run.has.metrics;
      if (!same || has(now) !== has(run)) return void again();
      fillHead(head, now);
      page.newMetrics?.(metrics);
      if (now.has.history?.length > run.has.history?.length) {
        run.has.history = now.has.history;
        await page.newMoments?.();
      }
    } catch (error) {
      if (signal.aborted) return;
      replace(head.querySelector(".state"), `No news: ${error.message}`);
    }
  }
}
