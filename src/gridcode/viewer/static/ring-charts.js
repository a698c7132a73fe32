/** States on the planes in which they go around once for every period along the three waves of a lattice. */

import { known, panels, panelTitle } from "gridcode/axes.js";
import { grey, scale } from "gridcode/chart-colours.js";
import { chart } from "gridcode/chart-frame.js";
import { fixed, metres } from "gridcode/format.js";
import { axis } from "gridcode/plots.js";
import { populationName } from "gridcode/state-charts.js";

const THEORY = "evaluation/theory.nc";

/** Phase (0 to 1) of places along a wave, or of lattice coordinates: the fraction of positions times a vector. */
export const phases = ([x, y], [kx, ky]) =>
  x.map((value, i) => {
    const turns = value * kx + y[i] * ky;
    return turns - Math.floor(turns);
  });

/** Columns of the inverse of the lattice vectors (rows): the two waves of a lattice, per metre. */
export function wavesOf([[ax, ay], [bx, by]]) {
  const det = ax * by - ay * bx;
  return [
    [by / det, -bx / det],
    [-ay / det, ax / det],
  ];
}

/** States on the plane of each of the lattice's three waves, coloured by the phase that their place has on it. */
export async function rings(el, population, options) {
  const side = (width) => (width >= 560 ? Math.min(250, (width - 60 - 74 - 2 * 54) / 3) : Math.min(250, width - 140));
  const margin = { l: 52, r: 74, t: 42, b: 46 };
  const arrange = (width) => {
    const columns = width >= 560 ? 3 : 1;
    const inner = columns * side(width) + (columns - 1) * 54;
    const right = Math.max(margin.r, width - margin.l - inner);
    return { ...panels(3, { width, columns, row: side(width), margin: { ...margin, r: right }, gapX: 54, gapY: 92 }), right, inner };
  };
  const listed = (values) => values.map((value) => fixed(value)).join(", ");
  return chart(
    el,
    {
      name: "rings",
      title: (row) => `Rings, ${populationName(row)}`,
      source: THEORY,
      empty: (row) => (row?.rings && row.vectors_m ? "" : "no rings: these units have no lattice in common; see the modules"),
      describe: (row) =>
        `States on the planes of the three waves of the lattice. Correlation of angle and phase of place ${listed(row.rings.correlation)}; ` +
        `place error ${row.rings.place_error_m.map(metres).join(", ")}.`,
      note: () =>
        "Each dot is a state, its colour the phase of its place along the wave; circle: radius 1, a perfect code. The planes come from samples that are not shown on them.",
      height: (_, width) => arrange(width).height,
      figure: (row, look, width) => {
        const { domains, right, inner } = arrange(width);
        const [first, second] = wavesOf(row.vectors_m);
        const waves = [first, second, [first[0] + second[0], first[1] + second[1]]];
        const reach = Math.max(1.4, ...row.rings.points.map((points) => 1.05 * quantile(points.flat().map(Math.abs), 0.99)));
        const layout = { margin: { ...margin, r: right }, annotations: [], shapes: [], showlegend: false, hovermode: "closest", dragmode: false };
        layout.coloraxis = {
          colorscale: scale("twilight", look),
          cmin: 0,
          cmax: 1,
          colorbar: {
            title: { text: "phase (cycles)", side: "right", font: { size: 11 } },
            thickness: 10,
            outlinewidth: 0,
            tickvals: [0, 0.5, 1],
            tickfont: { size: 11, color: look.faint },
            lenmode: "pixels",
            len: side(width),
            y: domains[0].y[1],
            yanchor: "top",
            x: width >= 560 ? inner / (width - margin.l - right) : 1,
            xpad: 12,
          },
        };
        const traces = row.rings.points.map(([x, y], k) => {
          const n = k ? String(k + 1) : "";
          const style = { range: [-reach, reach], tickvals: [-1, 0, 1], automargin: false, showgrid: false, fixedrange: true };
          const text = `wave ${k + 1}: correlation ${fixed(row.rings.correlation[k])}<br>place error ${metres(row.rings.place_error_m[k])}`;
          layout[`xaxis${n}`] = axis(look, "real part", { ...style, domain: domains[k].x, anchor: `y${n}` });
          layout[`yaxis${n}`] = axis(look, k && width >= 560 ? "" : "imaginary part", { ...style, domain: domains[k].y, anchor: `x${n}` });
          layout.annotations.push({ ...panelTitle(text, domains[k], look), font: { size: 11, color: look.ink } });
          layout.shapes.push({
            type: "circle",
            x0: -1,
            x1: 1,
            y0: -1,
            y1: 1,
            xref: `x${n}`,
            yref: `y${n}`,
            layer: "below",
            line: { color: grey(), width: 1 },
          });
          return {
            x,
            y,
            xaxis: `x${n}`,
            yaxis: `y${n}`,
            mode: "markers",
            hoverinfo: "skip",
            marker: { size: 3.4, color: phases(row.rings.positions_m, waves[k]), coloraxis: "coloraxis", line: { width: 0 } },
          };
        });
        return { data: traces, layout };
      },
      columns: (row) => [
        ["x (m)", row.rings.positions_m[0]],
        ["y (m)", row.rings.positions_m[1]],
        ...row.rings.points.flatMap(([x, y], k) => [
          [`wave ${k + 1} real part`, x],
          [`wave ${k + 1} imaginary part`, y],
        ]),
      ],
      about: ["states on the plane of each of the lattice's three waves; 1 is the radius of a perfect code"],
    },
    population,
    options,
  );
}

function quantile(values, share) {
  const sorted = values.filter(known).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 1;
}
