/** All units by module: which to show, in which order, in which arena, at which training step. */

import { isModule, moduleColour } from "gridcode/colours.js";
import { mapsOf } from "gridcode/decode.js";
import { failure, h, painted, replace } from "gridcode/dom.js";
import { count, fixed, groupName, known, sourceOf } from "gridcode/format.js";
import { galleryControls } from "gridcode/gallery-controls.js";
import { saveCanvas, saveCsv, saveMenu } from "gridcode/save.js";
import { mapSheet } from "gridcode/sheet.js";
import { load } from "gridcode/source.js";
import { moduleHeading, unitLines, unitTile } from "gridcode/tile.js";

const PART = 128;

/** Modules of rows in order; null, in none, is last. */
export const modulesOf = (rows) =>
  [...new Set(rows.map((row) => row.module))].sort((a, b) => (a ?? Infinity) - (b ?? Infinity));

/** Rows of the units with their index; in no module is null. */
export const indexed = (units) =>
  units.map((row, index) => ({ ...row, index, module: isModule(row.module) ? row.module : null }));

/** A unit's hexagonal score in the maps of a document. */
export const scoreIn = (maps, index, row) => (maps.grid_score ? maps.grid_score[index] : row.grid_score);

/**
 * The gallery of a run. `onArena`: maps of another arena were chosen. The result names the units
 * as they stand (`order`), and shows a Frame of the training, or the evaluation (`showFrame`).
 */
export function createGallery(element, { id, run, onUnit, onArena, signal }) {
  const rows = indexed(run.units);
  const rate = run.rate_unit;
  const size = matchMedia("(max-width: 600px)").matches ? 96 : 104;
  const tiles = rows.map((row) => unitTile(row, { size, onOpen: onUnit }));
  const groups = h("div");
  const wrong = h("div");
  let shown = [];
  let evaluated = { caption: "", source: "", at: null }; // at: (index) => ({map, score, binM})
  let current = evaluated;
  let wantedGroup = null;
  let drawn = new Set();

  addEventListener("beforeprint", () => rows.forEach(({ index }) => draw(index)), { signal });

  function draw(index) {
    if (!current.at || drawn.has(index)) return;
    const { map, score, binM } = current.at(index);
    tiles[index].draw(map, score, { binM, unit: rate });
    drawn.add(index);
  }

  /** Draws all maps in the order shown, a part of them at a time, as there may be hundreds. */
  async function show(next) {
    current = next;
    drawn = new Set();
    for (const [k, { index }] of [...shown, ...rows].entries()) {
      if (k % PART === PART - 1) await painted();
      if (current !== next || signal.aborted) return;
      draw(index);
    }
  }

  async function useGroup(name) {
    wantedGroup = name;
    replace(wrong);
    try {
      const maps = await load(`runs/${id}/maps/${name}`);
      if (!maps) throw new Error("these maps are not there");
      const mapOf = await mapsOf(maps);
      if (wantedGroup !== name || signal.aborted) return; // another was chosen meanwhile
      evaluated = {
        caption: groupName(run.groups.find(({ group }) => group === name)),
        source: sourceOf(run, name),
        at: (index) => ({
          map: mapOf(index),
          score: scoreIn(maps, index, rows[index]),
          binM: maps.bin_size_m,
        }),
        group: name,
      };
      show(evaluated);
      onArena();
    } catch (error) {
      if (wantedGroup !== name) return;
      replace(wrong, failure("These maps could not be loaded", error));
      controls.setArena(evaluated.group);
    }
  }

  function arrange() {
    const wanted = rows.filter(controls.wanted);
    const keys = modulesOf(wanted);
    shown = keys.flatMap((key) =>
      wanted.filter((row) => row.module === key).sort(controls.compare),
    );
    const held = document.activeElement;
    replace(groups, keys.map(group));
    if (held?.isConnected) held.focus({ preventScroll: true });
    controls.count(wanted.length === rows.length ? "" : `${wanted.length} of ${rows.length} units`);
    tiles.forEach((tile) => (tile.element.tabIndex = -1));
    if (shown.length) tiles[shown[0].index].element.tabIndex = 0;
  }

  function group(key) {
    const members = shown.filter((row) => row.module === key);
    const found = run.modules.find((row) => row.module === key);
    const facts = [
      count(members.length, "unit"),
      found && `spacing ${fixed(found.spacing_m)} m`,
      found && `orientation ${fixed(found.orientation_deg, 1)}°`,
    ];
    const elements = members.map((row) => tiles[row.index].element);
    return h(
      "section",
      run.modules.length > 0 && moduleHeading("h3", key, facts.filter(Boolean).join(" · ")),
      h("div.tiles", { onkeydown: walk }, elements),
    );
  }

  /** One stop for the Tab key; arrows go from unit to unit. */
  function walk(event) {
    const at = shown.findIndex((row) => tiles[row.index].element === event.target);
    const all = [...event.currentTarget.children];
    const second = all.findIndex((tile) => tile.offsetTop > all[0].offsetTop);
    const perRow = second < 0 ? all.length : second;
    const right = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: perRow, ArrowUp: -perRow };
    const steps = { ...right, Home: -at, End: shown.length - 1 - at };
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    const to = Math.min(shown.length - 1, Math.max(0, at + steps[event.key]));
    const next = tiles[shown[to].index].element;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  /** The maps as they stand, on one sheet. */
  function sheet() {
    const items = shown.map((row) => {
      draw(row.index);
      const { canvas } = tiles[row.index];
      const [name, ...facts] = unitLines(row, current.at(row.index).score);
      const colour = isModule(row.module) ? moduleColour(row.module) : null;
      return { canvas, colour, lines: [name, facts.join(", ")] };
    });
    return mapSheet(items, `${run.name}, ${current.caption}`);
  }

  function numbers() {
    const found = shown.map(({ index }) => current.at(index));
    const keys = ["unit", "type", "module", "lattice_p_value", "spacing_m"];
    return {
      ...Object.fromEntries(keys.map((key) => [key, shown.map((row) => row[key])])),
      grid_score: found.map(({ score }) => score),
      peak: found.map(({ map }) => map.peak ?? map.high),
    };
  }

  function resize(factor) {
    const side = Math.round(size * factor);
    tiles.forEach((tile) => tile.resize(side));
    groups.style.setProperty("--column", `${side + 6}px`);
    show(current);
  }

  const controls = galleryControls(rows, run, { onChange: arrange, onArena: useGroup, resize });
  saveMenu(controls.element, {
    name: `${run.id}-maps`,
    png: () => saveCanvas(sheet(), `${run.id}-maps`),
    csv: () =>
      saveCsv(`${run.id}-maps`, numbers(), [
        `units as shown, with their hexagonal score and the peak of their map; ${current.caption}`,
        `source: ${current.source}`,
      ]),
  });
  replace(element, controls.element, wrong, groups);
  arrange();
  const first = run.headline_group ?? run.has.maps[0];

  return {
    ready: first ? useGroup(first) : Promise.resolve(),
    order: () => shown.map((row) => String(row.unit)),
    focus: (unit) => tiles[rows.findIndex((row) => String(row.unit) === unit)]?.element.focus(),
    showFrame(frame) {
      controls.setArena(frame ? run.headline_group : evaluated.group);
      if (!frame) return show(evaluated);
      show({
        caption: `step ${frame.step}`,
        source: "evaluation/history.nc, or snapshots/",
        at: (index) => ({ map: frame.map(index), score: frame.score(index), binM: frame.binM }),
      });
    },
  };
}

/** The best units of a module by hexagonal score. */
export const bestOf = (rows, number) =>
  rows
    .filter((row) => known(row.grid_score))
    .toSorted((a, b) => b.grid_score - a.grid_score)
    .slice(0, number);
