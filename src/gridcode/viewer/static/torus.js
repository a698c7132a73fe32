/** The states in three dimensions, to be turned by hand, beside the result of the test of shape. */

import { chart } from "gridcode/chart.js";
import { scale } from "gridcode/colours.js";
import { h, replace, select, setOptions } from "gridcode/dom.js";
import { count, fixed, known, pText } from "gridcode/format.js";
import { bettiText, populationName } from "gridcode/state-charts.js";
import { wavePhases, wavesOf } from "gridcode/waves.js";

const METHODS = { isomap: "Isomap", spectral: "spectral embedding" };
const PLACES = { x: "x of the place", y: "y of the place" };
const PHASES = { first: "first phase", second: "second phase" };
const CAPTION =
  "A picture, not a test: any cloud of states has some shape in three dimensions. Principal " +
  "components to six, then the method chosen. Drag to turn, scroll to zoom.";

/** Adds the picture of the `states` document with choices of population, method and colour. */
export function torus(element, states, signal) {
  // Modules first, the largest first: a torus is expected of them.
  const rows = states.populations.toSorted(
    (a, b) => (a.module === null) - (b.module === null) || b.n_units - a.n_units,
  );
  const choice = { row: rows[0], method: "isomap", colour: "first" };
  const set = (changes) => {
    Object.assign(choice, changes);
    show();
  };
  const names = rows.map((row) => [row.name, populationName(row)]);
  const find = (wanted) => rows.find(({ name }) => name === wanted);
  const colour = select("colour by", [], null, (value) => set({ colour: value }));
  const host = h("div");
  const facts = h("dl");
  element.append(
    h(
      "div.controls",
      select("states of", names, rows[0].name, (name) => set({ row: find(name) })),
      select("method", Object.entries(METHODS), "isomap", (method) => set({ method })),
      colour,
    ),
    h("div.torus", host, facts),
    h("p.chart-note", CAPTION),
  );
  let update = null;

  function show() {
    const able = choice.row.vectors_m ? { ...PHASES, ...PLACES } : PLACES;
    if (!(choice.colour in able)) choice.colour = "x";
    setOptions(colour.querySelector("select"), Object.entries(able), choice.colour);
    facts.className = choice.row.torus ? "shown" : "";
    replace(facts, factsOf(choice));
    if (update) update(spec(choice));
    else update = chart(host, spec(choice), signal);
  }

  show();
}

const spec =
  ({ row, method, colour }) =>
  (width) => {
    const { points, positions_m: places } = row.samples[method];
    const [x, y, z] = points;
    const phase = PHASES[colour];
    const color = phase
      ? wavePhases(places, wavesOf(row.vectors_m)[colour === "first" ? 0 : 1])
      : places[colour === "x" ? 0 : 1];
    const hidden = { visible: false, showbackground: false, showspikes: false };
    const narrow = width < 480;
    const below = { orientation: "h", y: 0, yanchor: "bottom" };
    const colorbar = {
      title: { text: phase ? `${phase} (cycles)` : `${colour} (m)` },
      thickness: 10,
      len: 0.7,
      outlinewidth: 0,
      nticks: 5,
      ...(narrow ? below : { x: 1, xanchor: "right" }),
    };
    const range = phase ? { cmin: 0, cmax: 1 } : {};
    const colorscale = scale(phase ? "twilight" : "viridis");
    return {
      name: "states-3d",
      title: `States of ${populationName(row)}, ${METHODS[method]}`,
      source: "evaluation/theory.nc",
      webgl: true,
      height: narrow ? 380 : 500,
      data: [
        {
          type: "scatter3d",
          mode: "markers",
          x,
          y,
          z,
          marker: { size: 3, color, colorscale, ...range, showscale: true, colorbar },
          text: color.map((_, k) => `place ${fixed(places[0][k])}, ${fixed(places[1][k])} m`),
          hovertemplate: "%{text}<br>%{marker.color:.2f}<extra></extra>",
        },
      ],
      layout: {
        margin: { l: 0, r: 0, t: 0, b: 0 },
        scene: {
          domain: { x: [0, narrow ? 1 : 0.9], y: [narrow ? 0.16 : 0, 1] },
          ...{ xaxis: hidden, yaxis: hidden, zaxis: hidden },
          aspectmode: "data",
          camera: { eye: { x: 1.02, y: -1.1, z: 0.7 } },
          dragmode: "orbit",
          uirevision: `${row.name} ${method}`,
        },
      },
    };
  };

function factsOf({ row, method }) {
  const { dimension, shuffled_dimension: shuffled, rings, torus_p_value: p } = row;
  const correlations = rings?.correlation.map((value) => fixed(value)).join(", ");
  const list = {
    "Betti numbers: pieces, loops, voids": bettiText(row),
    "p of the loops, of the voids": row.p_value.slice(1).map(pText).join(", "),
    "p of a torus": known(p) && pText(p),
    "dimension; if units varied independently":
      known(dimension) && `${fixed(dimension, 1)}; ${fixed(shuffled, 1)}`,
    "correlation of ring angle and phase of place": correlations,
    shown: count(row.samples[method].points[0].length, "state"),
  };
  const known_ = Object.entries(list).filter(([, text]) => text);
  return known_.map(([name, text]) => [h("dt", name), h("dd", text)]);
}
