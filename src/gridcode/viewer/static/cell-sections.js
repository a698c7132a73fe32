/** Sections on the cells: all of them, their modules, scores, and the same cells elsewhere. */

import { decode, mapsOf } from "gridcode/decode.js";
import { h } from "gridcode/dom.js";
import { enlarge } from "gridcode/enlarged.js";
import { fixed, groupName, known, pText, percent, short } from "gridcode/format.js";
import { bestOf, createGallery, indexed, scoreIn } from "gridcode/gallery.js";
import { historySlider, openHistory } from "gridcode/history.js";
import { drawRateMap, rateMapLabel } from "gridcode/maps.js";
import {
  latticeVectors,
  orientationHistogram,
  spacingHistogram,
  spacingOrientation,
  spacingShape,
} from "gridcode/module-charts.js";
import { panel } from "gridcode/panel.js";
import { saveCanvas, saveMenu } from "gridcode/save.js";
import { pValues, scoreHistogram, scoresAgainstNull, typeCounts } from "gridcode/score-charts.js";
import { addTable, chartGrid, note } from "gridcode/section.js";
import { mapSheet } from "gridcode/sheet.js";
import { load } from "gridcode/source.js";
import { scrolling } from "gridcode/table.js";
import { moduleHeading } from "gridcode/tile.js";
import * as waves from "gridcode/waves.js";

/**
 * What a section needs: the run with its identity, the training step of the address, what ends the
 * page, how a unit is opened, and what the sections add: the gallery, and how new metrics, new
 * snapshots and another training step are shown.
 * @typedef {{id: string, run: Object, step: ?number, signal: AbortSignal,
 *   openUnit: function(string), gallery: ?Object, newMetrics: ?function(Object),
 *   newMoments: ?function(), goToStep: ?function(?number)}} PageContext
 */

/** Every unit by module, with arena, filters and the slider over training. */
export async function fillGallery(body, page) {
  const { id, run, step, signal, openUnit } = page;
  const { evaluated } = run;
  const holder = h("div");
  const slider = h("div");
  const text = evaluated
    ? `Rate maps, best hexagonal score first in each module. Bright is the unit's own peak; grey
      bins were never visited. Colour and number of the frame are those of the module. p: how often
      the unit's own null maps are as near to a lattice. Choose a unit to see all about it.`
    : `Rate maps during the training. Bright is the unit's own peak. Types, modules and p-values
      come with the evaluation.`;
  body.append(note(text), slider, holder);
  let moments = null;
  const onArena = () => moments?.toEnd();
  page.gallery = createGallery(holder, { id, run, onUnit: openUnit, onArena, signal });
  await page.gallery.ready;
  const history = run.has.history ? await openHistory(id) : null;
  if (!history || signal.aborted) return;
  const label = "Training of all units";
  const onFrame = page.gallery.showFrame;
  moments = historySlider(history, { label, onFrame, final: run.has.maps.length > 0, step, signal });
  slider.append(moments.element);
  page.goToStep = moments.goTo;
  page.newMoments = async () => moments.grow(await openHistory(id, { fresh: true }));
}

/** Spacing, orientation, shape and lattices of all modules, then the waves of each. */
export async function fillModules(body, page) {
  const { run, openUnit, signal } = page;
  const some = run.modules.length > 0;
  const text = some
    ? `A module is a group of cells that share one lattice, in spacing, orientation and shape. p:
      how often independently turned lattices show a group as large and as tight. Phases uniform: p
      of phases as uneven as these if they were random; a small p means that the cells do not cover
      the unit cell evenly.`
    : `No group of units shares a lattice beyond chance. Filled: units with a significant lattice;
      open: without.`;
  body.append(note(text));
  const charts = [spacingOrientation(run.units, openUnit), spacingShape(run.units, openUnit)];
  if (some) charts.push(latticeVectors(run.modules));
  chartGrid(body, some ? "thirds" : "halves", charts, signal);
  if (run.kind === "population") {
    const counts = [spacingHistogram(run.units), orientationHistogram(run.units)];
    chartGrid(body, "halves", counts, signal);
  }
  addTable(body, run, "modules", "Modules, smallest spacing first");
  if (run.relations.length) {
    body.append(
      note("Lattices related by small integers are one code and its sub-lattices:"),
      h(
        "ul",
        run.relations.map(({ text }) => h("li", text)),
      ),
    );
  }
  if (some) await addModules(body, page);
}

async function addModules(body, { id, run }) {
  const spectra = run.has.spectra ? await load(`runs/${id}/spectra`) : null;
  const states = run.has.states ? await load(`runs/${id}/states`) : null;
  const rings =
    states &&
    ` Rings: states on the planes in which they go around once for every period along each of the
    lattice's three waves. Colour is the phase of the place along the wave; the circle is a perfect
    code. These samples did not define the planes.`;
  body.append(
    note(
      `Spectrum: mean power of the module's maps by wave vector, peaks circled; three pairs 60
      degrees apart are a hexagonal lattice. Phases: where each cell's fields lie in the unit cell
      of the lattice; cells that together cover it distinguish every place within it.`,
      rings,
    ),
  );
  for (const module of run.modules) {
    const { module: number } = module;
    const row = h("div.module-row");
    const spread = known(module.spacing_spread) ? ` ± ${percent(module.spacing_spread, 1)}` : "";
    const facts =
      `${module.n_units} units · spacing ${fixed(module.spacing_m, 3)} m${spread} · orientation ` +
      `${fixed(module.orientation_deg, 1)}° · axis ratio ${fixed(module.axis_ratio)} · ` +
      `p = ${pText(module.p_value)}`;
    body.append(h("article.module", moduleHeading("h3", number, facts), row));
    const found = spectra?.modules.find((each) => each.module === number);
    if (found) row.append(await spectrumPanel(found, `${id}-module-${number}-spectrum`));
    row.append(phasesPanel(run, module, `${id}-module-${number}-phases`));
    const population = states?.populations.find((each) => each.module === number);
    if (population?.rings && population.vectors_m) row.append(...ringPanels(population, id));
  }
}

async function spectrumPanel(found, file) {
  const lengths = found.lengths_per_m.map((length) => fixed(length)).join(", ");
  const angles = found.angles_deg.map((angle) => `${fixed(angle, 0)}°`).join(", ");
  const note_ = `peaks at ${lengths} cycles/m, ${angles} apart`;
  const { element, canvas } = panel({ title: "Mean spectrum", note: note_, file });
  const power = (await decode(found.power))();
  waves.drawSpectrum(canvas, power, {
    size: 212,
    waves: found.wave_numbers_per_m,
    peaks: found.peaks_per_m,
    label: `Mean power spectrum of module ${found.module}`,
  });
  return element;
}

function phasesPanel(run, module, file) {
  const rows = waves.phasesOf(run.units, module.module);
  const { element, canvas } = panel({
    title: "Phases in unit cell",
    note:
      `uniform: p = ${pText(module.phase_uniformity_p)}; largest gap ` +
      `${fixed(module.phase_coverage)} (1: as random)`,
    file,
  });
  waves.drawPhases(canvas, {
    size: 212,
    vectorsM: module.vectors_m,
    rows,
    module: module.module,
    label: `Phases of ${rows.length} units in the unit cell of module ${module.module}`,
  });
  return element;
}

function ringPanels({ module, rings, vectors_m: lattice }, id) {
  const [first, second] = waves.wavesOf(lattice);
  const vectors = [first, second, [first[0] + second[0], first[1] + second[1]]];
  return rings.points.map((points, k) => {
    const error = fixed(100 * rings.place_error_m[k], 1);
    const phases = waves.wavePhases(rings.positions_m, vectors[k]);
    const { element, canvas } = panel({
      title: `Ring of wave ${k + 1}`,
      note: `correlation ${fixed(rings.correlation[k])}, position error ${error} cm`,
      file: `${id}-module-${module}-ring-${k + 1}`,
      columns: () => ({ real: points[0], imaginary: points[1], phase: phases }),
      header: () => ["states on the plane of a lattice wave", "source: evaluation/theory.nc"],
    });
    const label = `States of module ${module} on the plane of wave ${k + 1} of its lattice`;
    waves.drawRing(canvas, points, { size: 212, phases, label });
    return element;
  });
}

/** Types, histogram of scores, scores against their nulls, p-values. */
export function fillScores(body, { run, openUnit, signal }) {
  const { level, nulls, null: kind, false_discovery_rate: rate } = run.settings;
  body.append(
    note(`A type or a lattice counts only where p is ${level} or less against ${nulls} null maps of
      the unit itself (${kind}: they keep what the map is made of, but not its lattice), and the
      expected share of false discoveries among all units is ${short(100 * rate)}% or less. A
      module counts only where independently turned lattices would agree as well in a share of
      ${level} of populations or fewer.`),
    note(`Scores: hexagonal, the same after undoing the lattice's shear, and square. p-values:
      without any lattice the bars would follow the dashed line; the p of a lattice of any shape is
      three times the smallest of three and piles up at 1.`),
  );
  const charts = [
    typeCounts(run.types),
    scoreHistogram(run.units),
    scoresAgainstNull(run.units, openUnit),
    pValues(run.units, level),
  ];
  chartGrid(body, "halves", charts, signal);
}

/** The best units in every arena and on every walk. */
export async function fillArenas(body, { id, run, openUnit }) {
  const groups = run.groups.filter(({ group }) => run.has.maps.includes(group));
  const best = bestOf(indexed(run.units), 8);
  const link = ({ unit }) => h("button.link", { onclick: () => openUnit(String(unit)) }, unit);
  const head = best.map((row) => h("th", { scope: "col" }, "unit ", link(row)));
  const lines = h("tbody");
  body.append(
    note(`The best eight units, each coloured from 0 to its own peak there; below each map its
      hexagonal score. Speeds are those of training in every arena. Only the arena marked as
      tested is tested against null maps.`),
    scrolling(
      "Rate maps of the best units in every arena",
      h("table.maps", h("thead", h("tr", h("th"), head)), lines),
    ),
  );
  const items = [];
  for (const group of groups) {
    const maps = await load(`runs/${id}/maps/${group.group}`);
    if (!maps) continue;
    const mapOf = await mapsOf(maps);
    const cells = best.map((row, k) => {
      const canvas = h("canvas");
      const map = mapOf(row.index);
      const title = rateMapLabel(row.unit, map, groupName(group));
      const binM = maps.bin_size_m;
      drawRateMap(canvas, map, {
        size: 96,
        binM: k === 0 && binM, // one scale bar for each arena
        label: title,
        place: { binM },
      });
      const onclick = () => enlarge({ map, binM, title });
      const attributes = { onclick, "aria-label": `Enlarge: ${title}` };
      const score = fixed(scoreIn(maps, row.index, row));
      items.push({ canvas, lines: [`unit ${row.unit}: ${score}`, groupName(group)] });
      return h("td", h("button.map-button", attributes, canvas), h("span.faint", score));
    });
    lines.append(h("tr", h("th.text", { scope: "row" }, groupName(group)), cells));
  }
  const title = `${run.name}: the same units in every arena`;
  const name = `${run.id}-arenas`;
  const tools = h("div.controls.table-tools");
  saveMenu(tools, { name, png: () => saveCanvas(mapSheet(items, title, best.length), name) });
  body.append(tools);
  addTable(body, run, "arenas", "Scores in every arena");
}
