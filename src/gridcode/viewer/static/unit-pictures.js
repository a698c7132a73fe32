/** The pictures of one unit: maps, autocorrelogram, spectrum, and phase in its module's cell. */

import { decode, mapColumns, mapsOf } from "gridcode/decode.js";
import { failure, h } from "gridcode/dom.js";
import { enlarge } from "gridcode/enlarged.js";
import { fixed, groupName, known, short, sourceOf } from "gridcode/format.js";
import { scoreIn } from "gridcode/gallery.js";
import { historySlider, openHistory } from "gridcode/history.js";
import { drawCorrelogram, drawRateMap, isLattice, rateMapLabel } from "gridcode/maps.js";
import { panel } from "gridcode/panel.js";
import { placeText } from "gridcode/pointed.js";
import { load } from "gridcode/source.js";
import { drawPhases, drawSpectrum, phasesOf } from "gridcode/waves.js";

/**
 * What a picture of a unit needs to know.
 * @typedef {{id: string, run: Object, row: Object, index: number, step: ?number,
 *   signal: AbortSignal, onSlider: function(Object), size: number, small: number}} UnitContext
 */

const mapNote = (run, group) =>
  run.kind === "population"
    ? "from 0 to the unit's own peak; grey: never visited"
    : groupName(run.groups.find((each) => each.group === group));

/** The large rate map of the tested arena, with the slider over training. */
export function largeMap({ id, run, row, index, step, signal, onSlider, size }) {
  const group = run.headline_group ?? run.has.maps[0];
  let now = null; // what is drawn: {map, binM, source}
  const { element, fact, canvas, read, draw } = panel({
    title: group ? "Rate map" : "Rate map in training",
    note: group && mapNote(run, group),
    file: `${id}-unit-${row.unit}-map`,
    columns: () => (now ? mapColumns(now.map, now.binM) : {}),
    header: () => [
      `rate map of unit ${row.unit}, x and y in metres from the lower left corner`,
      "maps rounded to 1/254 of their peak",
      `source: ${now?.source}`,
    ],
  });

  function show({ map, binM, source, where, score }) {
    now = { map, binM, source, title: `Unit ${row.unit} in ${where}`, rate: run.rate_unit };
    const label = rateMapLabel(row.unit, map, where);
    const drawn = drawRateMap(canvas, map, { size, binM, label });
    read(drawn, placeText({ binM, unit: run.rate_unit }));
    const peak = `peak ${row.peak ?? short(map.peak ?? map.high)}`;
    fact.textContent = known(score) ? `score ${fixed(score)} · ${peak}` : peak;
  }

  const open = () => now && enlarge(now);
  canvas.classList.add("can-enlarge");
  canvas.addEventListener("click", open);
  fact.after(h("button.link.enlarge", { onclick: open }, "enlarge"));

  draw(async () => {
    let evaluated = null;
    if (group) {
      const maps = await load(`runs/${id}/maps/${group}`);
      if (!maps) throw new Error("this map is not there");
      const map = (await mapsOf(maps))(index);
      const source = sourceOf(run, group);
      evaluated = { map, binM: maps.bin_size_m, source, where: "the tested arena" };
      show(evaluated);
    }
    const history = run.has.history && (await openHistory(id));
    if (!history || signal.aborted) return;
    const ofFrame = ({ map, score, step: at, binM }) => {
      const where = `step ${at} of the training`;
      return { map: map(index), score: score(index), binM, where, source: `${where}, snapshots/` };
    };
    const onFrame = (frame) => show(frame ? ofFrame(frame) : evaluated);
    const label = `Training of unit ${row.unit}`;
    const slider = historySlider(history, { label, onFrame, final: Boolean(group), step, signal });
    element.append(slider.element);
    onSlider(slider);
  });
  return element;
}

/** The autocorrelogram with the fitted lattice. */
export function correlogram({ id, run, row, index, size }) {
  const fitted = isLattice(row.vectors_m);
  const { element, canvas, read, draw } = panel({
    title: "Autocorrelogram",
    note: `blue −1, red 1; ${fitted ? "lines: the fitted lattice" : "no lattice fitted"}`,
    file: `${id}-unit-${row.unit}-autocorrelogram`,
  });
  draw(async () => {
    const group = run.headline_group ?? run.has.correlograms[0];
    const found = await load(`runs/${id}/correlograms/${group}`);
    if (!found) throw new Error("not kept for this arena");
    const half = (await decode(found.half))(index);
    const binM = found.bin_size_m;
    const lattice = fitted ? `, with a lattice of spacing ${fixed(row.spacing_m)} m` : "";
    const label = `Autocorrelogram of unit ${row.unit}${lattice}`;
    const drawn = drawCorrelogram(canvas, half, { size, binM, vectorsM: row.vectors_m, label });
    const { rows, columns } = drawn.slice;
    read(drawn, ({ column, row: line, value }) => {
      const [x, y] = [column - (columns - 1) / 2, line - (rows - 1) / 2];
      return `lag ${fixed(x * binM)}, ${fixed(y * binM)} m: ${fixed(value)}`;
    });
  });
  return element;
}

/** The unit's own power spectrum. */
export function spectrum({ id, row, index, small: size }) {
  const { element, canvas, read, draw } = panel({
    title: "Spectrum",
    note: "power by wave vector; circles: peaks of its module, if any",
    file: `${id}-unit-${row.unit}-spectrum`,
  });
  draw(async () => {
    const found = await load(`runs/${id}/spectra`);
    if (!found) throw new Error("not kept");
    const power = (await decode(found.units))(index);
    const waves = found.wave_numbers_per_m;
    const peaks = found.modules.find(({ module }) => module === row.module)?.peaks_per_m ?? [];
    const label = `Power spectrum of unit ${row.unit}`;
    const drawn = drawSpectrum(canvas, power, { size, waves, peaks, label });
    read(drawn, ({ column, row: line, value }) => {
      const wave = `${fixed(waves[column])}, ${fixed(waves[line])} cycles/m`;
      return `${wave}: ${short(100 * value, 2)}%`;
    });
  });
  return element;
}

/** Where its fields lie among those of its module; null for a unit in none. */
export function phases({ id, run, row, small: size }) {
  const module = run.modules.find((each) => each.module === row.module);
  if (!module) return null;
  const rows = phasesOf(run.units, row.module);
  const { element, canvas } = panel({
    title: "Phase",
    note: `in the unit cell of module ${row.module}, among ${rows.length} units`,
    file: `${id}-unit-${row.unit}-phase`,
  });
  drawPhases(canvas, {
    size,
    vectorsM: module.vectors_m,
    rows,
    module: row.module,
    highlight: row.unit,
    label: `Phase of unit ${row.unit} in the unit cell of module ${row.module}`,
  });
  return element;
}

/** Its map in every arena and on every walk; null where there is only one. */
export function everywhere({ id, run, row, index }) {
  const groups = run.groups.filter(({ group }) => run.has.maps.includes(group));
  if (groups.length < 2) return null;
  const element = h("div.everywhere");
  groups.forEach(async (group) => {
    const canvas = h("canvas");
    const fact = h("p.faint");
    const name = groupName(group);
    const title = `Unit ${row.unit} in ${name}`;
    const button = h("button.map-button", { "aria-label": `Enlarge: ${title}` }, canvas);
    element.append(h("figure.panel", h("figcaption", name), button, fact));
    try {
      const maps = await load(`runs/${id}/maps/${group.group}`);
      const map = (await mapsOf(maps))(index);
      const score = scoreIn(maps, index, row);
      fact.textContent = known(score) ? `score ${fixed(score)}` : "";
      const label = rateMapLabel(row.unit, map, name);
      const binM = maps.bin_size_m;
      const rate = run.rate_unit;
      drawRateMap(canvas, map, { size: 132, binM, label, place: { binM, unit: rate } });
      button.addEventListener("click", () => enlarge({ map, binM, title, rate }));
    } catch (error) {
      button.replaceWith(failure("Not shown", error));
    }
  });
  return element;
}
