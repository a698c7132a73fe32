/** The pictures of one unit: its map everywhere, autocorrelogram, spectrum, and place in the unit cell of its module. */

import { failure, h, replace } from "gridcode/dom.js";
import { isModule, moduleColour } from "gridcode/colours.js";
import { decode, mapsOf } from "gridcode/decode.js";
import { saveButton, sliceColumns } from "gridcode/drawing.js";
import { fixed, short } from "gridcode/format.js";
import { scoreIn } from "gridcode/gallery.js";
import { openHistory, historySlider } from "gridcode/history.js";
import { drawCorrelogram, drawRateMap, isLattice, rateMapLabel } from "gridcode/maps.js";
import { load } from "gridcode/source.js";
import { drawPhases, drawSpectrum, phasesOf } from "gridcode/waves.js";
import { groupName, sourceOf } from "gridcode/words.js";

const ROUNDED = "maps rounded to 1/254 of their peak";

/**
 * What a picture of a unit needs to know.
 * @typedef {{id: string, run: Object, row: Object, index: number, signal: AbortSignal, size: number, small: number, width: number}} UnitContext
 */

/** The large rate map of the tested arena, with the slider over training where there is a history. @param {UnitContext} context */
export function largeMap(context) {
  const { id, run, row, index, signal, size } = context;
  const group = run.headline_group ?? run.has.maps[0] ?? null;
  const canvas = h("canvas", {});
  const title = h("span", {}, group ? "Rate map" : "Rate map in training");
  const below = h("div", { class: "below" });
  const figure = panel(title, canvas, group ? groupName(run.groups.find((each) => each.group === group) ?? { group }) : "", below);
  let last = null;
  let now = null; // what is drawn, for those who save it

  function showFrame(frame) {
    const map = frame ? frame.map(index) : last?.map;
    if (!map) return;
    const binM = frame ? frame.binM : last.binM;
    now = { map, binM, source: frame ? `step ${frame.step} of the training, snapshots/ (maps: evaluation/history.nc)` : sourceOf(run, group) };
    drawRateMap(canvas, map, {
      size,
      binM,
      label: rateMapLabel(row.unit, map, frame ? `training, step ${frame.step}` : "the tested arena"),
    });
    figure.peak.textContent = `${frame ? `score ${fixed(frame.score(index))} · ` : ""}peak ${short(map.peak ?? map.high)}`;
  }

  async function start() {
    if (group) {
      const maps = await load(`runs/${id}/maps/${group}`);
      if (!maps) throw new Error("this map is not there");
      last = { map: (await mapsOf(maps))(index), binM: maps.bin_size_m };
      showFrame(null);
    }
    saveButton(figure.tools, {
      name: `${id}-unit-${row.unit}-map`,
      canvas,
      signal,
      columns: () => (now ? sliceColumns(now.map, now.binM) : {}),
      header: () => [`rate map of unit ${row.unit}, x and y in metres from the lower left corner`, ROUNDED, `source: ${now?.source ?? "none"}`],
    });
    const history = run.has.history && (await openHistory(id));
    if (history && !signal.aborted)
      below.append(
        historySlider(history, { label: `Training of unit ${row.unit}`, onFrame: showFrame, final: Boolean(group), signal }).element,
      );
  }
  return { element: figure.element, started: told(figure, start) };
}

/** The autocorrelogram with the fitted lattice. @param {UnitContext} context */
export function correlogram(context) {
  const { id, run, row, index, size } = context;
  const group = run.headline_group ?? run.has.correlograms[0];
  const canvas = h("canvas", {});
  const figure = panel(
    "Autocorrelogram",
    canvas,
    isLattice(row.vectors_m) ? "blue −1, red 1; lines: the fitted lattice" : "blue −1, red 1; no lattice fitted",
  );
  return {
    element: figure.element,
    started: told(figure, async () => {
      const found = group && (await load(`runs/${id}/correlograms/${group}`));
      if (!found) throw new Error("not kept for this arena");
      const half = (await decode(found.half)).slice(index);
      const lattice = isLattice(row.vectors_m) ? `with a lattice of spacing ${fixed(row.spacing_m)} m` : "without a fitted lattice";
      drawCorrelogram(canvas, half, {
        size,
        binM: found.bin_size_m,
        vectorsM: row.vectors_m,
        label: `Autocorrelogram of unit ${row.unit}, ${lattice}`,
      });
      saveButton(figure.tools, { name: `${id}-unit-${row.unit}-autocorrelogram`, canvas, signal: context.signal });
    }),
  };
}

/** The unit's own power spectrum. @param {UnitContext} context */
export function spectrum(context) {
  const { id, row, index, small } = context;
  const canvas = h("canvas", {});
  const figure = panel("Spectrum", canvas, isModule(row.module) ? "circles: the peaks of its module" : "power by wave vector");
  return {
    element: figure.element,
    started: told(figure, async () => {
      const found = await load(`runs/${id}/spectra`);
      if (!found) throw new Error("not kept");
      const power = (await decode(found.units)).slice(index);
      const peaks = found.modules.find(({ module }) => module === row.module)?.peaks_per_m ?? [];
      drawSpectrum(canvas, power, {
        size: small,
        waveNumbers: found.wave_numbers_per_m,
        peaks,
        label: `Power spectrum of unit ${row.unit}`,
      });
      saveButton(figure.tools, { name: `${id}-unit-${row.unit}-spectrum`, canvas, signal: context.signal });
    }),
  };
}

/** Where its fields lie among those of its module; null for a unit in none. @param {UnitContext} context */
export function phases(context) {
  const { id, run, row, small } = context;
  const module = run.modules.find((each) => each.module === row.module);
  if (!module || !isLattice(module.vectors_m)) return null;
  const canvas = h("canvas", {});
  const all = phasesOf(run.units, row.module);
  const figure = panel("Phase", canvas, `in the unit cell of module ${row.module}, among ${all.length} units`);
  return {
    element: figure.element,
    started: told(figure, async () => {
      drawPhases(canvas, {
        size: small,
        vectorsM: module.vectors_m,
        phases: all,
        module: row.module,
        highlight: String(row.unit),
        label: `Phase of unit ${row.unit} in the unit cell of module ${row.module}`,
      });
      saveButton(figure.tools, { name: `${id}-unit-${row.unit}-phase`, canvas, signal: context.signal });
    }),
  };
}

/** Its map in every arena and on every walk; null where there is only one. @param {UnitContext} context */
export function everywhere(context) {
  const { id, run, row, index } = context;
  const groups = run.groups.filter(({ group }) => run.has.maps.includes(group));
  if (groups.length < 2) return null;
  const canvases = groups.map(() => h("canvas", {}));
  const scores = groups.map(() => h("p", { class: "faint" }));
  const element = h(
    "div",
    { class: "everywhere" },
    groups.map((group, k) => h("figure", { class: "panel" }, h("figcaption", {}, groupName(group)), canvases[k], scores[k])),
  );
  const started = Promise.all(
    groups.map(async (group, k) => {
      const maps = await load(`runs/${id}/maps/${group.group}`);
      if (!maps) return;
      const map = (await mapsOf(maps))(index);
      const score = maps.minmax?.[index] ?? scoreIn(row, group.group, run.headline_group);
      scores[k].textContent = Number.isFinite(score) ? `score ${fixed(score)}` : "";
      drawRateMap(canvases[k], map, { size: 132, binM: maps.bin_size_m, label: rateMapLabel(row.unit, map, groupName(group)) });
    }),
  ).catch((error) => element.append(failure("The other maps could not be shown", error)));
  return { element, started };
}

/** Colour of a unit's module, for what stands beside its pictures. */
export const unitColour = (row) => moduleColour(row.module);

function panel(title, canvas, note, ...below) {
  const peak = h("span", { class: "faint peak" });
  const tools = h("span", { class: "tools" });
  const body = h("div", { class: "body" }, canvas);
  const element = h(
    "figure",
    { class: "panel" },
    h("figcaption", {}, h("strong", {}, title), peak, tools),
    body,
    note && h("p", { class: "faint" }, note),
    below,
  );
  return { element, peak, tools, body };
}

async function told(figure, start) {
  try {
    await start();
  } catch (error) {
    replace(figure.body, failure("Not shown", error));
  }
}
