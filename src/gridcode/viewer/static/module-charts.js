/** Charts of modules: spacing, orientation and shape of their cells, and their lattices. */

import { axis, reference } from "gridcode/axes.js";
import { isModule, moduleColour } from "gridcode/colours.js";
import { fixed, known, pText } from "gridcode/format.js";
import { isLattice, neighbours } from "gridcode/maps.js";
import { active, byModule, unitDots } from "gridcode/score-charts.js";

/** Types of units that count as on a lattice. */
export const LATTICES = ["hexagonal", "sheared hexagonal", "square"];
const WITHOUT = "no significant lattice";
const SQUARE_AXIS_RATIO = 1 / Math.sqrt(3);

/** Units with a spacing: without a significant lattice, in no module, and those of each module. */
function groups(units) {
  const fitted = active(units).filter((unit) => known(unit.spacing_m));
  const [inModule, single] = [true, false].map((wanted) =>
    fitted.filter(({ module }) => isModule(module) === wanted),
  );
  const significant = ({ type }) => LATTICES.includes(type);
  const color = moduleColour(null);
  return [
    {
      name: WITHOUT,
      rows: single.filter((unit) => !significant(unit)),
      marker: { symbol: "circle-open", color, size: 6 },
    },
    { name: "in no module", rows: single.filter(significant), marker: { color, size: 7 } },
    ...byModule(inModule).map(([module, rows]) => ({
      name: `module ${module}`,
      rows,
      marker: { color: moduleColour(module), size: 8, opacity: 0.75 },
    })),
  ].filter(({ rows }) => rows.length);
}

/** Dots of every unit with a lattice: its spacing against another of its numbers. */
const spacingAgainst = (units, key) =>
  groups(units).map((group) =>
    unitDots(group.rows, {
      ...group,
      x: key,
      y: "spacing_m",
      text: (row) =>
        `spacing ${fixed(row.spacing_m, 3)} m ± ${fixed(row.spacing_error_m, 3)}` +
        `<br>orientation ${fixed(row.orientation_deg, 1)}°, axis ratio ${fixed(row.axis_ratio)}` +
        `<br>lattice p = ${pText(row.lattice_p_value)}`,
    }),
  );

/** Spacing against orientation of every unit with a lattice. */
export const spacingOrientation = (units, onPoint) => ({
  name: "spacing-orientation",
  title: "Spacing and orientation",
  height: 350,
  onPoint,
  data: spacingAgainst(units, "orientation_deg"),
  layout: {
    xaxis: axis("orientation (degrees)", { range: [-47, 47], dtick: 15 }),
    yaxis: axis("spacing (m)", { type: "log" }),
    showlegend: true,
  },
});

/** Spacing against the shape of the lattice: axis ratio 1 hexagonal, 0.58 square. */
export const spacingShape = (units, onPoint) => ({
  name: "spacing-shape",
  title: "Spacing and shape",
  height: 350,
  onPoint,
  data: spacingAgainst(units, "axis_ratio"),
  layout: {
    xaxis: axis("short over long axis", {
      range: [0, 1.06],
      tickvals: [0, 0.25, SQUARE_AXIS_RATIO, 0.8, 1],
      ticktext: ["0", "0.25", "0.58<br>square", "0.8", "1<br>hexagon"],
      showgrid: false,
    }),
    yaxis: axis("spacing (m)", { type: "log" }),
    shapes: [SQUARE_AXIS_RATIO, 1].map((x) => reference({ x: [x, x] })),
    showlegend: true,
  },
});

/** How many units with a significant lattice have which value, stacked by module. */
function stacked(units, key, title, size) {
  const found = groups(units).filter(({ name }) => name !== WITHOUT);
  const values = found.flatMap(({ rows }) => rows.map((row) => row[key])).filter(known);
  const range = [Math.min(...values) - 4 * size, Math.max(...values) + 4 * size];
  return {
    height: 260,
    data: found.map(({ name, rows, marker }) => ({
      type: "histogram",
      x: rows.map((row) => row[key]).filter(known),
      xbins: { start: -90, end: 90, size },
      name: `${name} (${rows.length})`,
      marker: { color: marker.color },
      hovertemplate: `${name}: %{y} units<br>%{x}<extra></extra>`,
    })),
    layout: {
      barmode: "stack",
      bargap: 0.06,
      xaxis: axis(title, { showgrid: false, range }),
      yaxis: axis("units", { rangemode: "tozero", ...(values.length < 8 && { dtick: 1 }) }),
      legend: { traceorder: "normal" },
      showlegend: true,
    },
  };
}

/** How many units with a lattice have which spacing. */
export const spacingHistogram = (units) => ({
  name: "spacings",
  title: "Spacings of units with a lattice",
  ...stacked(units, "spacing_m", "spacing (m)", 0.02),
});

/** How many units with a lattice have which orientation. */
export const orientationHistogram = (units) => ({
  name: "orientations",
  title: "Orientations of units with a lattice",
  ...stacked(units, "orientation_deg", "orientation (degrees)", 2),
});

/** Each module's lattice: a field, its six neighbours, two lattice vectors. */
export function latticeVectors(modules) {
  const rows = modules.filter((row) => isLattice(row.vectors_m));
  const rings = rows.map((row) => neighbours(row.vectors_m));
  const reach = 1.16 * Math.max(...rings.flat(2).map(Math.abs));
  const arrow = {
    showarrow: true,
    ax: 0,
    ay: 0,
    axref: "x",
    ayref: "y",
    arrowhead: 2,
    standoff: 4,
  };
  return {
    name: "lattices",
    title: "Lattice of each module",
    note: "A field (in the middle), its six neighbours, and two lattice vectors: means over units.",
    height: 350,
    data: rows.map((row, k) => ({
      x: [...rings[k], rings[k][0]].map(([x]) => x),
      y: [...rings[k], rings[k][0]].map(([, y]) => y),
      mode: "lines+markers",
      name: `module ${row.module}, ${fixed(row.spacing_m)} m (${row.n_units})`,
      line: { dash: "dot", width: 1, color: moduleColour(row.module) },
      marker: { size: 9 },
      hovertemplate: `module ${row.module}<br>x %{x:.3f} m, y %{y:.3f} m<extra></extra>`,
    })),
    layout: {
      xaxis: axis("x (m)", { range: [-reach, reach], constrain: "domain", nticks: 7 }),
      yaxis: axis("y (m)", { range: [-reach, reach], scaleanchor: "x", nticks: 7 }),
      annotations: rows.flatMap((row) =>
        row.vectors_m.map(([x, y]) => ({ ...arrow, x, y, arrowcolor: moduleColour(row.module) })),
      ),
      showlegend: true,
    },
  };
}
