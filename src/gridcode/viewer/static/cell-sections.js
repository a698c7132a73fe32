/** Sections on the cells: all of them, their modules, types and scores, and the same cells in other arenas. */

import { h } from "gridcode/dom.js";
import { decode, mapsOf } from "gridcode/decode.js";
import { chart, saveButton } from "gridcode/drawing.js";
import { fixed, pText, percent } from "gridcode/format.js";
import { createGallery, scoreIn } from "gridcode/gallery.js";
import { historySlider, openHistory } from "gridcode/history.js";
import { drawRateMap, rateMapLabel } from "gridcode/maps.js";
import { note, place } from "gridcode/section.js";
import { mapSheet } from "gridcode/sheet.js";
import { load } from "gridcode/source.js";
import { table } from "gridcode/table.js";
import { swatch } from "gridcode/tile.js";
import { drawPhases, drawSpectrum, phasesOf } from "gridcode/waves.js";
import { groupName, testsInWords } from "gridcode/words.js";

/**
 * What a section needs: the run, how to open a unit, and a list of charts to take down with the page.
 * @typedef {{id: string, run: Object, signal: AbortSignal, openUnit: function(string), keep: function(*), gallery: ?Object,
 *   newMetrics: ?function(Object), newMoments: ?function()}} PageContext
 */

/** Every unit by module, with arena, filters and the slider over training. @param {PageContext} page */
export const gallerySection = (page) => ({
  id: "units",
  title: page.run.evaluated ? `All ${page.run.units.length} units` : "Maps in training",
  short: "Units",
  async fill(body) {
    const { id, run, signal } = page;
    const holder = h("div", {});
    const slider = h("div", {});
    const { evaluated } = run;
    body.append(
      note(
        evaluated
          ? "Rate maps, best hexagonal score first within each module. Bright is the unit's own peak, grey bins were never " +
              "visited; colour and number of the frame are the module's. Choose a unit to see all about it."
          : "Rate maps while the network learns. Bright is the unit's own peak. Types, modules and p-values come with the evaluation.",
      ),
      slider,
      holder,
    );
    let moments = null;
    page.gallery = createGallery(holder, { id, run, onUnit: page.openUnit, onArena: () => moments?.toEnd(), signal });
    await page.gallery.ready;
    const history = run.has.history ? await openHistory(id) : null;
    if (!history || signal.aborted) return;
    moments = historySlider(history, { label: "Training of all units", onFrame: page.gallery.showFrame, final: evaluated, signal });
    slider.append(moments.element);
    page.newMoments = async () => moments.grow(await openHistory(id, { fresh: true }));
  },
});

/** Spacing, orientation, shape and lattices of all modules, then spectrum, phases and rings of each. @param {PageContext} page */
export const modulesSection = (page) => ({
  id: "modules",
  title: "Modules",
  async fill(body) {
    const { run, openUnit, keep } = page;
    const some = run.modules.length > 0;
    const [orientation, shape, vectors] = [place(), place(), some ? place() : null];
    body.append(
      note(
        some
          ? "A module is a group of cells that share one lattice, in spacing, orientation and shape. p: how often independently " +
              "turned lattices show a group as large and as tight. Phases uniform: p of phases as uneven as these if they were " +
              "random; small means that the cells do not cover the unit cell evenly."
          : "No group of units shares a lattice beyond what chance gives. Grey: units with a significant lattice; open: without.",
      ),
      h("div", { class: some ? "grid thirds" : "grid halves" }, orientation.element, shape.element, vectors?.element),
    );
    const drawn = [
      chart(orientation.inner, "spacingOrientation", run.units, run.modules, { onUnit: openUnit }),
      chart(shape.inner, "spacingShape", run.units, run.modules, { onUnit: openUnit }),
      vectors && chart(vectors.inner, "latticeVectors", run.modules),
    ];
    if (run.tables.modules?.rows.length)
      body.append(table(run.tables.modules, { label: "Modules, smallest spacing first", name: `${run.id}-modules` }));
    if (run.relations.length) {
      body.append(
        note("Lattices related by small integers are one code and its sub-lattices, not independent modules:"),
        h(
          "ul",
          {},
          run.relations.map(({ text }) => h("li", {}, text)),
        ),
      );
    }
    keep(await Promise.all(drawn));
    if (some) await eachModule(body, page);
  },
});

/** Types, histogram of scores, scores against their nulls, p-values. @param {PageContext} page */
export const scoresSection = (page) => ({
  id: "scores",
  title: "Types, scores and p-values",
  short: "Scores",
  async fill(body) {
    const { run, openUnit, keep } = page;
    const places = { types: place(), scores: place(), nulls: place(), p: place() };
    body.append(
      note(testsInWords(run.settings)),
      note(
        "Scores: hexagonal, the same after undoing the lattice's shear, and square. Against null maps: a unit above the dashed " +
          "line scores more than 95% of its own null maps; colour is the module. p-values: without any lattice the filled bars " +
          "would follow the dashed line; the p of a lattice of any shape is three times the smallest of three and piles up at 1.",
      ),
      h(
        "div",
        { class: "grid halves" },
        Object.values(places).map(({ element }) => element),
      ),
    );
    keep(
      await Promise.all([
        chart(places.types.inner, "typeCounts", run.types),
        chart(places.scores.inner, "scoreHistogram", run.units, run.settings),
        chart(places.nulls.inner, "scoresAgainstNull", run.units, { onUnit: openUnit }),
        chart(places.p.inner, "pValues", run.units, run.settings),
      ]),
    );
  },
});

/** The best units in every arena and on every walk. @param {PageContext} page */
export const arenasSection = (page) => ({
  id: "arenas",
  title: "The same units in every arena",
  short: "Arenas",
  async fill(body) {
    const { id, run, openUnit } = page;
    const groups = run.groups.filter(({ group }) => run.has.maps.includes(group));
    const best = run.units
      .map((row, index) => ({ row, index }))
      .filter(({ row }) => Number.isFinite(row.grid_score))
      .sort((a, b) => b.row.grid_score - a.row.grid_score)
      .slice(0, 8);
    body.append(
      note(
        "Speeds are those of training in every arena. Only the arena marked as tested is tested against null maps. The best " +
          "eight units, each coloured from 0 to its own peak there.",
      ),
    );
    const grid = h("div", { class: "scroll" });
    const cells = new Map();
    const head = h(
      "tr",
      {},
      h("th", {}, ""),
      best.map(({ row }) =>
        h(
          "th",
          { scope: "col" },
          h("button", { type: "button", class: "link", onclick: () => openUnit(String(row.unit)) }, String(row.unit)),
        ),
      ),
    );
    const lines = groups.map((group) =>
      h(
        "tr",
        {},
        h("th", { scope: "row", class: "text" }, groupName(group)),
        best.map(({ row }) => {
          const canvas = h("canvas", {});
          const score = h("span", { class: "faint" });
          cells.set(`${group.group}/${row.unit}`, { canvas, score });
          return h("td", {}, canvas, score);
        }),
      ),
    );
    grid.append(h("table", { class: "maps" }, h("thead", {}, head), h("tbody", {}, lines)));
    body.append(grid);
    for (const group of groups) {
      const maps = await load(`runs/${id}/maps/${group.group}`);
      if (!maps) continue;
      const mapOf = await mapsOf(maps);
      for (const { row, index } of best) {
        const { canvas, score } = cells.get(`${group.group}/${row.unit}`);
        const map = mapOf(index);
        drawRateMap(canvas, map, {
          size: 96,
          binM: maps.bin_size_m,
          scaleBar: row === best[0].row,
          label: rateMapLabel(row.unit, map, groupName(group)),
        });
        const found = maps.minmax?.[index] ?? scoreIn(row, group.group, run.headline_group);
        score.textContent = Number.isFinite(found) ? fixed(found) : "";
      }
    }
    const saving = h("div", {});
    body.append(saving);
    saveButton(saving, {
      name: `${run.id}-arenas`,
      canvas: () =>
        mapSheet(
          groups.flatMap((group) =>
            best.map(({ row }) => {
              const { canvas, score } = cells.get(`${group.group}/${row.unit}`);
              return { canvas, colour: null, lines: [`${row.unit}: ${score.textContent}`, groupName(group)] };
            }),
          ),
          { title: `${run.name ?? run.title}: the same units in every arena`, columns: best.length },
        ),
      signal: page.signal,
    });
    if (run.tables.arenas) body.append(table(run.tables.arenas, { label: "Scores in every arena", name: `${run.id}-arenas` }));
  },
});

async function eachModule(body, page) {
  const { id, run, keep } = page;
  const spectra = run.has.spectra ? await load(`runs/${id}/spectra`) : null;
  const states = run.has.states ? await load(`runs/${id}/states`) : null;
  body.append(
    note(
      "Below, module by module. Spectrum: mean power of its maps by wave vector, peaks circled; three pairs 60 degrees apart " +
        "are a hexagonal lattice. Phases: where each cell's fields lie in the unit cell of the lattice; cells that together cover " +
        "it tell every place within it apart.",
      states &&
        " Rings: states on the planes in which they go around once for every period along each of the lattice's three " +
          "directions, measured on samples that did not define the plane.",
    ),
  );
  for (const module of run.modules) {
    const found = spectra?.modules.find((row) => row.module === module.module);
    const population = states?.populations.find((row) => row.module === module.module);
    const [spectrum, cell] = [h("canvas", {}), h("canvas", {})];
    const rings = population?.rings ? place("rings") : null;
    const panels = [
      found &&
        figure(
          "Mean spectrum",
          spectrum,
          `peaks at ${found.lengths_per_m.map((length) => fixed(length)).join(", ")} cycles/m, ` +
            `${found.angles_deg.map((angle) => fixed(angle, 0)).join("°, ")}° apart`,
          `${id}-module-${module.module}-spectrum`,
        ),
      figure(
        "Phases in the unit cell",
        cell,
        `uniform: p = ${pText(module.phase_uniformity_p)}; largest gap ${fixed(module.phase_coverage)} (1: as random)`,
        `${id}-module-${module.module}-phases`,
      ),
    ];
    body.append(
      h(
        "article",
        { class: "module" },
        h(
          "h3",
          { class: "module-name" },
          swatch(module.module),
          `Module ${module.module}`,
          h("span", { class: "faint" }, moduleFacts(module)),
        ),
        h("div", { class: "module-row" }, panels, rings?.element),
      ),
    );
    if (found)
      drawSpectrum(spectrum, (await decode(found.power)).slice(), {
        size: 220,
        waveNumbers: found.wave_numbers_per_m,
        peaks: found.peaks_per_m,
        label: `Mean power spectrum of module ${module.module}`,
      });
    drawPhases(cell, {
      size: 220,
      vectorsM: module.vectors_m,
      phases: phasesOf(run.units, module.module),
      module: module.module,
      label: `Phases of the ${module.n_units} units of module ${module.module} in the unit cell of its lattice`,
    });
    if (rings) keep([await chart(rings.inner, "rings", population)]);
  }
}

function figure(title, canvas, text, name) {
  const tools = h("span", { class: "tools" });
  saveButton(tools, { name, canvas });
  return h("figure", { class: "panel" }, h("figcaption", {}, h("strong", {}, title), tools), canvas, h("p", { class: "faint" }, text));
}

function moduleFacts(module) {
  const spread = Number.isFinite(module.spacing_spread) ? ` ± ${percent(module.spacing_spread, 1)}` : "";
  return (
    `${module.n_units} units · spacing ${fixed(module.spacing_m, 3)} m${spread} · orientation ` +
    `${fixed(module.orientation_deg, 1)}° · axis ratio ${fixed(module.axis_ratio)} · p = ${pText(module.p_value)}`
  );
}
