/** The best units of a recording, each with all its pictures. */

import { decode, mapsOf } from "gridcode/decode.js";
import { h } from "gridcode/dom.js";
import { count, fixed, known, metres, pText } from "gridcode/format.js";
import { indexed, modulesOf } from "gridcode/gallery.js";
import { drawCorrelogram, drawRateMap, isLattice, rateMapLabel } from "gridcode/maps.js";
import { LATTICES } from "gridcode/module-charts.js";
import { note } from "gridcode/section.js";
import { directionText, drawDirection, drawPath, sessionOf } from "gridcode/session-pictures.js";
import { load } from "gridcode/source.js";
import { swatch, tuningText } from "gridcode/tile.js";

const MOST = 24;
const SIZE = 128;
const WITHOUT_PATTERN = ["non-spatial", "other spatial"];

/** @typedef {import("gridcode/cell-sections.js").PageContext} PageContext */

/** Rate map, path with spikes, autocorrelogram and head direction of the best units. */
export async function fillCells(body, page) {
  const { id, run } = page;
  const rows = bestRows(indexed(run.units));
  const maps = await load(`runs/${id}/maps/maps`);
  const correlograms = await load(`runs/${id}/correlograms/maps`);
  const session = await sessionOf(page);
  const sources = {
    binM: maps.bin_size_m,
    correlogramBinM: correlograms.bin_size_m,
    mapOf: await mapsOf(maps),
    halfOf: await decode(correlograms.half),
    session,
    rate: run.rate_unit,
  };
  const active = run.units.filter(({ silent }) => !silent).length;
  const some = rows.length < active ? `The best ${rows.length} of ${active} active units` : "Units";
  const drawn = [
    "rate map (0 to the unit's own peak)",
    session?.document.spikes_m && "path (grey) with spikes (red)",
    "autocorrelogram, with the lattice where it is significant",
    session?.document.direction_curve && "rate by head direction (0° along x)",
  ].filter(Boolean);
  body.append(
    note(
      `${some}, best grid score first in each module: ${drawn.join(", ")}. `,
      `p: share of the unit's own null maps that are as near to a lattice. q: p adjusted for the number of
      units tested.`,
    ),
    h(
      "div.cell-cards",
      { style: { "--card": `${Math.max(22, drawn.length * 8.4)}rem` } },
      rows.map((row) => card(row, page, sources)),
    ),
  );
}

/** As many of the best of each module and of those in none, where cells with a pattern are first. */
function bestRows(rows) {
  const plain = ({ type, tuning }) => Number(!tuning && WITHOUT_PATTERN.includes(type));
  const score = (row) => row.grid_score ?? -9;
  const active = rows.filter(({ silent }) => !silent);
  const ranked = modulesOf(active).flatMap((module) =>
    active
      .filter((row) => row.module === module)
      .sort((a, b) => plain(a) - plain(b) || score(b) - score(a))
      .map((row, rank) => ({ row, rank })),
  );
  const chosen = new Set(ranked.toSorted((a, b) => a.rank - b.rank).slice(0, MOST));
  return ranked.filter((each) => chosen.has(each)).map(({ row }) => row);
}

function card(row, { openUnit }, sources) {
  const { unit, type } = row;
  const open = () => openUnit(String(unit));
  const facts = [patternFacts(row), scoreText(row), tuningFacts(row)];
  return h(
    "article.cell-card",
    h(
      "h3",
      swatch(row.module),
      h("button.link", { onclick: open }, `Unit ${unit}`),
      h("span.faint", [type, tuningText(row)].filter(Boolean).join(" · ")),
    ),
    h("div.cell-pictures", pictures(row, sources)),
    facts.filter(Boolean).map((text) => h("p.faint", text)),
  );
}

function pictures(row, { binM, correlogramBinM, mapOf, halfOf, session, rate }) {
  const { unit, index } = row;
  const canvases = [];
  const add = (draw) => {
    const canvas = h("canvas");
    draw(canvas);
    canvases.push(canvas);
  };
  const map = mapOf(index);
  const label = rateMapLabel(unit, map, "the arena");
  const place = { binM, unit: rate };
  add((canvas) => drawRateMap(canvas, map, { size: SIZE, binM, label, place }));
  const spikes = session?.spikesOf(index);
  if (spikes) {
    const text = `Path with spikes of unit ${unit}`;
    add((canvas) => drawPath(canvas, session.document, spikes, { size: SIZE, label: text }));
  }
  const fitted = onLattice(row);
  const about = fitted ? ` with a lattice of ${fixed(row.spacing_m)} m` : "";
  const half = halfOf(index);
  add((canvas) =>
    drawCorrelogram(canvas, half, {
      size: SIZE,
      binM: correlogramBinM,
      vectorsM: fitted ? row.vectors_m : null,
      label: `Autocorrelogram of unit ${unit}${about}`,
    }),
  );
  const curve = session?.curveOf(index);
  if (curve) {
    const degrees = session.document.directions_deg;
    const settings = { size: SIZE, row, label: `Rate of unit ${unit} by head direction` };
    add((canvas) => drawDirection(canvas, degrees, curve, settings));
  }
  return canvases;
}

const onLattice = (row) => LATTICES.includes(row.type) && isLattice(row.vectors_m);

const joined = (...parts) => parts.filter(Boolean).join(" · ");

const patternFacts = (row) =>
  joined(
    `peak ${row.peak}`,
    onLattice(row) && `spacing ${metres(row.spacing_m)}`,
    onLattice(row) && `orientation ${fixed(row.orientation_deg, 0)}°`,
    known(row.field_count) && count(row.field_count, "field"),
    known(row.stability) && `stability ${fixed(row.stability)}`,
  );

function scoreText(row) {
  if (!known(row.grid_score)) return row.reason || "no grid score";
  const chance =
    known(row.lattice_p_value) && `lattice p = ${pText(row.lattice_p_value)} against its null maps`;
  const among = known(row.q_value) && `q = ${pText(row.q_value)} among all units`;
  return `grid score ${fixed(row.grid_score)}: ${[chance, among].filter(Boolean).join(", ")}`;
}

/** Head direction of every unit; speed and borders where the unit counts as tuned to them. */
function tuningFacts(row) {
  const scores = ["speed", "border"]
    .filter((name) => row.tuning?.includes(name))
    .map((name) => {
      const p = pText(row[`${name}_p_value`]);
      return `${name} score ${fixed(row[`${name}_score`])} (p = ${p})`;
    });
  return joined(directionText(row), ...scores);
}
