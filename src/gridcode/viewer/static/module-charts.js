/** Charts of modules: where their cells lie in spacing, orientation and shape, and their lattices. */

import { neighbours } from "gridcode/maps.js";
import { known, logarithmic, median, plain } from "gridcode/axes.js";
import { grey } from "gridcode/chart-colours.js";
import { chart } from "gridcode/chart-frame.js";
import { moduleColour } from "gridcode/colours.js";
import { count, fixed, pText } from "gridcode/format.js";
import { active, byModule } from "gridcode/score-charts.js";
import { axis } from "gridcode/plots.js";

const LATTICES = ["hexagonal", "sheared hexagonal", "square"];
const SQUARE_AXIS_RATIO = 1 / Math.sqrt(3);
const SUMMARY = "evaluation/summary.json";

/** Groups of units with a spacing: without a significant lattice, in no module, and one for each module. */
function groups(units, key) {
  const fitted = active(units).filter((unit) => known(unit.spacing_m) && known(unit[key]));
  const inModule = (unit) => (unit.module ?? -1) >= 0;
  const none = fitted.filter((unit) => !inModule(unit) && !LATTICES.includes(unit.type));
  const single = fitted.filter((unit) => !inModule(unit) && LATTICES.includes(unit.type));
  return [
    { name: "no significant lattice", rows: none, marker: { symbol: "circle-open", color: grey(), size: 6, line: { width: 1 } } },
    { name: "in no module", rows: single, marker: { color: grey(), size: 7 } },
    ...byModule(fitted.filter(inModule)).map(([module, rows]) => ({
      name: `module ${module}`,
      rows,
      marker: { color: moduleColour(module), size: 8, opacity: 0.75 },
    })),
  ].filter((group) => group.rows.length);
}

/** Spacing of every unit with a lattice against another of its numbers. */
function spacingAgainst(el, units, { key, name, title, unit, label, digits, across, shapes = () => [] }, { onUnit, ...options }) {
  const all = (data) => groups(data, key).flatMap((group) => group.rows);
  const inWords = (row) =>
    `unit ${plain(row.unit)}, ${plain(row.type)}<br>spacing ${fixed(row.spacing_m, 3)} m${known(row.spacing_error_m) ? ` ± ${fixed(row.spacing_error_m, 3)}` : ""}` +
    `<br>orientation ${fixed(row.orientation_deg, 1)}°, axis ratio ${fixed(row.axis_ratio, 2)}<br>lattice p = ${pText(row.any_lattice_p_value)}`;
  return chart(
    el,
    {
      name,
      title,
      source: SUMMARY,
      empty: (data) => (all(data).length ? "" : "no unit has a lattice"),
      describe: (data) =>
        `${title} of ${count(all(data).length, "unit")}: ` +
        `${groups(data, key)
          .map(
            (g) =>
              `${g.name} (${count(g.rows.length, "unit")}) median spacing ${fixed(median(g.rows.map((r) => r.spacing_m)), 2)} m, ${label} ${fixed(median(g.rows.map((r) => r[key])), digits)}${unit}`,
          )
          .join("; ")}.`,
      height: () => 380,
      figure: (data, look, width) => ({
        data: groups(data, key).map((group) => ({
          x: group.rows.map((row) => row[key]),
          y: group.rows.map((row) => row.spacing_m),
          customdata: group.rows.map((row) => row.unit),
          text: group.rows.map(inWords),
          hovertemplate: "%{text}<extra></extra>",
          mode: "markers",
          marker: group.marker,
          name: `${group.name} (${group.rows.length})`,
        })),
        layout: {
          xaxis: across(look, width),
          yaxis: axis(
            look,
            "spacing (m)",
            logarithmic(
              all(data).map((row) => row.spacing_m),
              { pad: 0.08 },
            ),
          ),
          shapes: shapes(look),
          showlegend: true,
        },
      }),
      columns: (data) => {
        const rows = all(data);
        return ["unit", "type", "module", "spacing_m", "spacing_error_m", "orientation_deg", "orientation_error_deg", "axis_ratio"].map((column) => [
          column,
          rows.map((row) => row[column]),
        ]);
      },
      click: onUnit && ((point) => onUnit(point.customdata)),
    },
    units,
    options,
  );
}

/** Spacing against orientation of every unit with a lattice; a click calls `onUnit(name)`. */
export async function spacingOrientation(el, units, modules, options = {}) {
  return spacingAgainst(
    el,
    units,
    {
      key: "orientation_deg",
      name: "spacing-orientation",
      title: "Spacing and orientation",
      label: "orientation",
      unit: "°",
      digits: 0,
      across: (look) =>
        axis(look, "orientation (degrees)", {
          range: [-47, 47],
          tickvals: [-45, -30, -15, 0, 15, 30, 45].map(Number),
          ticktext: ["−45", "−30", "−15", "0", "15", "30", "45"],
        }),
    },
    options,
  );
}

/** Spacing against the shape of the lattice, 1 hexagonal, 0.58 square; a click calls `onUnit(name)`. */
export async function spacingShape(el, units, modules, options = {}) {
  const mark = (look) => (x) => ({
    type: "line",
    x0: x,
    x1: x,
    y0: 0,
    y1: 1,
    yref: "paper",
    layer: "below",
    line: { color: look.faint, width: 1, dash: "dash" },
  });
  return spacingAgainst(
    el,
    units,
    {
      key: "axis_ratio",
      name: "spacing-shape",
      title: "Spacing and shape",
      label: "short over long axis",
      unit: "",
      digits: 2,
      across: (look) =>
        axis(look, "short over long axis", {
          range: [0, 1.06],
          tickvals: [0, 0.25, SQUARE_AXIS_RATIO, 0.8, 1],
          ticktext: ["0", "0.25", "0.58<br>square", "0.8", "1<br>hexagon"],
          showgrid: false,
        }),
      shapes: (look) => [SQUARE_AXIS_RATIO, 1].map(mark(look)),
    },
    options,
  );
}

/** Each module's lattice: a field, its six neighbours, two vectors. */
export async function latticeVectors(el, modules, options) {
  const drawn = (data) => (data ?? []).filter((row) => row.vectors_m?.flat().every(known));
  return chart(
    el,
    {
      name: "lattices",
      title: "Lattice of each module",
      source: SUMMARY,
      empty: (data) => (drawn(data).length ? "" : "no modules"),
      describe: (data) =>
        `A field, its six neighbours and two lattice vectors of each module: ` +
        `${drawn(data)
          .map(
            (row) =>
              `module ${row.module} spacing ${fixed(row.spacing_m, 2)} m, orientation ${fixed(row.orientation_deg, 0)}°, axis ratio ${fixed(row.axis_ratio, 2)}`,
          )
          .join("; ")}.`,
      note: () => "A field (in the middle), its six neighbours, and two vectors that make the lattice; mean over the module's units.",
      height: (data, width) => Math.min(420, Math.max(300, width * 0.85)),
      figure: (data, look) => {
        const rings = drawn(data).map((row) => [row, neighbours(row.vectors_m)]);
        const reach = 1.16 * Math.max(...rings.flatMap(([, ring]) => ring.flat().map(Math.abs)));
        const arrow =
          (row) =>
          ([x, y]) => ({
            x,
            y,
            ax: 0,
            ay: 0,
            xref: "x",
            yref: "y",
            axref: "x",
            ayref: "y",
            text: "",
            showarrow: true,
            arrowhead: 2,
            arrowsize: 1,
            arrowwidth: 1.6,
            arrowcolor: moduleColour(row.module),
            standoff: 4,
          });
        return {
          data: [
            ...rings.map(([row, ring]) => ({
              x: [...ring, ring[0]].map(([x]) => x),
              y: [...ring, ring[0]].map(([, y]) => y),
              mode: "lines+markers",
              name: `module ${row.module}, ${fixed(row.spacing_m, 2)} m (${row.n_units})`,
              line: { dash: "dot", width: 1, color: moduleColour(row.module) },
              marker: { size: 9, color: moduleColour(row.module) },
              hovertemplate: `module ${row.module}<br>x %{x:.3f} m, y %{y:.3f} m<extra></extra>`,
            })),
            { x: [0], y: [0], mode: "markers", marker: { size: 8, color: look.ink }, hoverinfo: "skip", showlegend: false },
          ],
          layout: {
            xaxis: axis(look, "x (m)", { range: [-reach, reach], constrain: "domain", nticks: 7 }),
            yaxis: axis(look, "y (m)", { range: [-reach, reach], scaleanchor: "x", constrain: "domain", nticks: 7 }),
            annotations: rings.flatMap(([row]) => row.vectors_m.map(arrow(row))),
            showlegend: true,
          },
        };
      },
      columns: (data) => {
        const rows = drawn(data);
        return [
          ["module", rows.map((r) => r.module)],
          ["units", rows.map((r) => r.n_units)],
          ["spacing_m", rows.map((r) => r.spacing_m)],
          ["orientation_deg", rows.map((r) => r.orientation_deg)],
          ["axis_ratio", rows.map((r) => r.axis_ratio)],
          ...[0, 1].flatMap((k) => ["x", "y"].map((c, i) => [`vector ${k + 1} ${c} (m)`, rows.map((r) => r.vectors_m[k][i])])),
        ];
      },
    },
    modules,
    options,
  );
}
