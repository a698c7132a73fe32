/** All units at once, by module: which to show, in which order, in which arena, and at which moment of training. */

import { h, replace } from "gridcode/dom.js";
import { mapsOf } from "gridcode/decode.js";
import { load } from "gridcode/source.js";
import { count, fixed } from "gridcode/format.js";
import { isModule, moduleColour } from "gridcode/colours.js";
import { moduleButtons, ORDERS, pickers } from "gridcode/gallery-controls.js";
import { saveButton } from "gridcode/drawing.js";
import { mapSheet } from "gridcode/sheet.js";
import { swatch, tileSize, unitTile } from "gridcode/tile.js";
import { groupName, sourceOf } from "gridcode/words.js";

const LAZY_FROM = 257;
/**
 * The gallery of a run.
 * @param {HTMLElement} element
 * @param {{id: string, run: Object, onUnit: function(string), onArena?: function(), signal: AbortSignal}} options `onArena`: other maps were chosen
 * @returns {{order: function(): string[], showFrame: function(?Object), ready: Promise<void>}}
 *   `order` names the units as they stand; `showFrame` takes a moment of training, or null for the maps of the evaluation
 */
export function createGallery(element, { id, run, onUnit, onArena = () => {}, signal }) {
  const rows = run.units.map((row, index) => ({ ...row, index, module: isModule(row.module) ? row.module : null }));
  const size = tileSize();
  const tiles = rows.map((row) => unitTile(row, { size, onOpen: onUnit }));
  const chosen = { order: "score", type: "", module: "", text: "" };
  let source = null; // (index) -> {map, score}
  let caption = "";
  let shown = [];

  const groups = h("div", { class: "gallery-groups" });
  const said = h("p", { class: "faint count", role: "status" });
  const drawn = new Set();
  const lazy = rows.length >= LAZY_FROM ? new IntersectionObserver((entries) => entries.forEach(seen), { rootMargin: "400px" }) : null;
  if (lazy) tiles.forEach((tile, index) => ((tile.element.dataset.index = index), lazy.observe(tile.element)));
  signal.addEventListener("abort", () => lazy?.disconnect());
  addEventListener("beforeprint", () => tiles.forEach((_, index) => draw(index)), { signal });

  function seen({ isIntersecting, target }) {
    const index = Number(target.dataset.index);
    target.near = isIntersecting;
    if (isIntersecting && !drawn.has(index)) draw(index);
  }

  function draw(index) {
    if (!source) return;
    const { map, score } = source(index);
    tiles[index].draw(map, score);
    drawn.add(index);
  }

  function drawAll() {
    drawn.clear();
    tiles.forEach((tile, index) => (!lazy || tile.element.near) && draw(index));
  }

  function arrange() {
    const { compare } = ORDERS[chosen.order];
    const wanted = rows.filter(
      (row) =>
        (!chosen.type || row.type === chosen.type) &&
        (chosen.module === "" || String(row.module ?? "none") === chosen.module) &&
        (!chosen.text || String(row.unit).toLowerCase().includes(chosen.text)),
    );
    const keys = [...new Set(wanted.map((row) => row.module))].sort((a, b) => (a ?? Infinity) - (b ?? Infinity));
    shown = keys.flatMap((key) => wanted.filter((row) => row.module === key).sort(compare));
    const held = document.activeElement;
    replace(
      groups,
      keys.map((key) =>
        group(
          key,
          shown.filter((row) => row.module === key),
        ),
      ),
    );
    if (held?.isConnected) held.focus({ preventScroll: true });
    said.textContent = wanted.length === rows.length ? "" : `${count(wanted.length, "unit")} of ${rows.length}`;
    tiles.forEach((tile) => (tile.element.tabIndex = -1));
    if (shown.length) tiles[shown[0].index].element.tabIndex = 0;
  }

  function group(key, members) {
    const found = run.modules.find((row) => row.module === key);
    const head = run.modules.length > 0 || key !== null;
    return h(
      "section",
      { class: "gallery-group" },
      head &&
        h(
          "h3",
          { class: "module-name" },
          swatch(key),
          key === null ? "In no module" : `Module ${key}`,
          h("span", { class: "faint" }, describe(found, members.length)),
        ),
      h(
        "div",
        { class: "tiles", onkeydown: walk },
        members.map((row) => tiles[row.index].element),
      ),
    );
  }

  // One stop for the Tab key; arrows go from unit to unit.
  function walk(event) {
    const at = shown.findIndex((row) => tiles[row.index].element === event.target);
    const steps = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: perRow(event.target),
      ArrowUp: -perRow(event.target),
      Home: -at,
      End: shown.length - 1 - at,
    };
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    const next = tiles[shown[Math.min(shown.length - 1, Math.max(0, at + steps[event.key]))].index].element;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  let wantedGroup = null;
  let shownGroup = null;

  async function useGroup(name) {
    wantedGroup = name;
    const maps = await load(`runs/${id}/maps/${name}`);
    if (!maps) throw new Error("these maps are not there");
    const mapOf = await mapsOf(maps);
    if (wantedGroup !== name || signal.aborted) return; // another was chosen meanwhile
    shownGroup = name;
    source = (index) => ({ map: mapOf(index), score: maps.minmax?.[index] ?? scoreIn(rows[index], name, run.headline_group) });
    evaluated = source;
    caption = arenaCaption = groupName(run.groups.find(({ group }) => group === name) ?? { group: name });
    drawAll();
    onArena();
  }

  /** The maps as they stand, on one sheet. */
  function sheet() {
    shown.forEach(({ index }) => draw(index));
    const items = shown.map((row) => {
      const { score } = source(row.index);
      return {
        canvas: tiles[row.index].canvas,
        colour: isModule(row.module) ? moduleColour(row.module) : null,
        lines: [`${row.unit}${Number.isFinite(score) ? `: ${fixed(score)}` : ""}`, row.type ?? ""],
      };
    });
    return mapSheet(items, { title: [run.name ?? run.title, caption].filter(Boolean).join(", ") });
  }

  let evaluated = null;
  let inTraining = false;
  let arenaCaption = "";
  const wrong = h("p", { class: "failure", role: "alert", hidden: true });
  const arena = {
    select: null,
    async choose(name) {
      wrong.hidden = true;
      try {
        await useGroup(name);
      } catch (error) {
        if (wantedGroup !== name) return;
        wrong.textContent = `These maps could not be loaded: ${error.message}.`;
        wrong.hidden = false;
        arena.select.value = shownGroup ?? run.headline_group;
      }
    },
  };
  const controls = h(
    "div",
    { class: "controls" },
    moduleButtons(rows, chosen, arrange),
    pickers(rows, run, chosen, arrange, arena),
    said,
  );
  replace(element, controls, wrong, groups);
  saveButton(controls, {
    name: `${run.id}-maps`,
    canvas: sheet,
    columns: () => ({
      unit: shown.map((row) => row.unit),
      type: shown.map((row) => row.type ?? ""),
      module: shown.map((row) => row.module),
      grid_score: shown.map((row) => source?.(row.index).score ?? null),
      peak: shown.map((row) => peakOf(source?.(row.index).map)),
    }),
    header: () => [
      `units as shown, with their hexagonal score and the peak of their map; ${caption}`,
      `source: ${inTraining ? "evaluation/history.nc, or snapshots/" : sourceOf(run, shownGroup)}`,
    ],
    signal,
  });
  arrange();
  const first = run.headline_group ?? run.has.maps[0];
  const ready = first ? useGroup(first) : Promise.resolve();

  return {
    ready,
    order: () => shown.map((row) => String(row.unit)),
    focus: (unit) => tiles[rows.findIndex((row) => String(row.unit) === unit)]?.element.focus(),
    showFrame(frame) {
      inTraining = frame !== null;
      source = frame ? (index) => ({ map: frame.map(index), score: frame.score(index) }) : evaluated;
      caption = frame ? `step ${frame.step}` : arenaCaption;
      // Maps over training are of the arena of the verdict.
      if (arena.select) arena.select.value = frame ? run.headline_group : (shownGroup ?? run.headline_group);
      drawAll();
    },
  };
}

const peakOf = (map) => map?.peak ?? map?.high ?? null;

/** A unit's hexagonal score in a group of maps, where the evaluation has one. */
export function scoreIn(row, group, headline) {
  if (group === headline) return row.grid_score;
  const found = row.scores?.[group];
  return typeof found === "number" ? found : (found?.grid_score ?? found?.minmax ?? null);
}

function describe(module, units) {
  const facts = [count(units, "unit")];
  if (module) facts.push(`spacing ${fixed(module.spacing_m)} m`, `orientation ${fixed(module.orientation_deg, 1)}°`);
  return facts.join(" · ");
}

function perRow(tile) {
  const all = [...tile.parentElement.children];
  const next = all.findIndex((other) => other.offsetTop > all[0].offsetTop);
  return next < 0 ? all.length : next;
}
