/** The states in three dimensions, to be turned by hand: a picture, and beside it what the test of its shape says. */

import { known } from "gridcode/axes.js";
import { ink, scale } from "gridcode/chart-colours.js";
import { chart } from "gridcode/chart-frame.js";
import { styleCharts } from "gridcode/chart-style.js";
import { fixed, pText, whole } from "gridcode/format.js";
import { baseLayout } from "gridcode/plots.js";
import { phases, wavesOf } from "gridcode/ring-charts.js";
import { bettiText, populationName } from "gridcode/state-charts.js";

const METHODS = { isomap: "Isomap", spectral: "spectral embedding" };
const COLOURS = { first: "first phase", second: "second phase", x: "x of the place", y: "y of the place" };
const PHASES = ["first", "second"];
const CAPTION =
  "A picture and no test: any cloud of states has some shape in three dimensions. Principal components to six, then the method chosen. Drag to turn, scroll to zoom.";
const EYE = { x: 1.02, y: -1.1, z: 0.7 };

let works = null;

/** Whether this browser draws in three dimensions. */
export function hasWebgl() {
  if (works === null) {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("webgl2") ?? canvas.getContext("webgl");
    works = Boolean(context);
    context?.getExtension("WEBGL_lose_context")?.loseContext(); // Browsers keep few of them.
  }
  return works;
}

/** Modules first, the largest first: they are what a torus is expected of. */
const ordered = (states) => [...states.populations].sort((a, b) => (a.module === null) - (b.module === null) || b.n_units - a.n_units);

/** Colours that a population can have: phases only where it has a lattice. */
const colouring = (row) => Object.keys(COLOURS).filter((key) => row.vectors_m || !PHASES.includes(key));

/** Numbers to colour the states of a population by. */
function valuesOf(row, method, key) {
  const { positions_m: positions } = row.samples[method];
  if (PHASES.includes(key)) return phases(positions, wavesOf(row.vectors_m)[PHASES.indexOf(key)]);
  return positions[key === "x" ? 0 : 1];
}

function spec() {
  return {
    name: "states-3d",
    source: "evaluation/theory.nc",
    webgl: true,
    title: ({ row, method }) => `States of ${populationName(row)}, ${METHODS[method]}`,
    describe: ({ row, method, colour }) =>
      `States of ${populationName(row)} in three dimensions by ${METHODS[method]}, coloured by ${COLOURS[colour]}. ${inWords(row)}`,
    height: (_, width) => (width < 480 ? Math.round(width * 1.08) : Math.min(540, Math.round(width * 0.76))),
    figure: ({ row, method, colour }, look, width) => {
      const [x, y, z] = row.samples[method].points;
      const values = valuesOf(row, method, colour);
      const phase = PHASES.includes(colour);
      const hidden = { visible: false, showbackground: false, showspikes: false };
      const flat = width < 480;
      const bar = {
        title: { text: phase ? `${COLOURS[colour]} (cycles)` : `${colour} (m)`, side: flat ? "top" : "right", font: { size: 11, color: look.ink } },
        thickness: 10,
        len: flat ? 0.8 : 0.6,
        outlinewidth: 0,
        tickfont: { size: 11, color: look.faint },
        ...(phase ? { tickvals: [0, 0.5, 1] } : { nticks: 5 }),
        ...(flat ? { orientation: "h", x: 0.5, y: 0, yanchor: "bottom" } : { x: 1, xanchor: "right" }),
      };
      const places = row.samples[method].positions_m;
      return {
        data: [
          {
            type: "scatter3d",
            mode: "markers",
            x,
            y,
            z,
            marker: {
              size: 3,
              opacity: 1,
              color: values,
              colorscale: scale(phase ? "twilight" : "viridis", look),
              ...(phase ? { cmin: 0, cmax: 1 } : {}),
              showscale: true,
              colorbar: bar,
              line: { width: 0 },
            },
            text: values.map(
              (value, k) => `place ${fixed(places[0][k])}, ${fixed(places[1][k])} m${phase ? `<br>${COLOURS[colour]} ${fixed(value)}` : ""}`,
            ),
            hovertemplate: "%{text}<extra></extra>",
          },
        ],
        layout: {
          margin: { l: 0, r: 0, t: 0, b: 0 },
          showlegend: false,
          dragmode: "orbit",
          scene: {
            domain: { x: [0, flat ? 1 : 0.92], y: [flat ? 0.16 : 0, 1] },
            xaxis: hidden,
            yaxis: hidden,
            zaxis: hidden,
            aspectmode: "data",
            bgcolor: "rgba(0,0,0,0)",
            camera: { eye: EYE },
            dragmode: "orbit",
            uirevision: `${row.name} ${method}`,
          },
          hoverlabel: { ...baseLayout(look).hoverlabel },
        },
      };
    },
    columns: ({ row, method }) => {
      const { points, positions_m: positions } = row.samples[method];
      const found = row.vectors_m ? PHASES.map((key) => [`${COLOURS[key]} (cycles)`, valuesOf(row, method, key)]) : [];
      return [...points.map((values, k) => [`${METHODS[method]} axis ${k + 1}`, values]), ["x (m)", positions[0]], ["y (m)", positions[1]], ...found];
    },
    about: ["a picture and no test; the axes of an embedding have no unit"],
  };
}

/** What the test of shape says of a population, in a sentence. */
function inWords(row) {
  if (!row.betti) return "Their shape was not tested.";
  if (row.torus) {
    const p = Number.isFinite(row.torus_p_value) ? `, p = ${pText(row.torus_p_value)}` : "";
    return `These states lie on a torus: Betti numbers ${row.betti.join(", ")}${p} against shuffled states and shorter bars.`;
  }
  return `These states were not shown to lie on a torus: Betti numbers ${row.betti.join(", ")}, where a torus has 1, 2, 1.`;
}

function facts(row) {
  const list = document.createElement("dl");
  const add = (name, text) => {
    const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
    dt.textContent = name;
    dd.textContent = text;
    list.append(dt, dd);
  };
  if (row.betti) {
    add("Betti numbers: pieces, loops, voids", bettiText(row.betti));
    add("p of the loops, of the voids", row.p_value.slice(1).map(pText).join(", "));
  }
  if (known(row.dimension)) add("dimension; if units varied independently", `${fixed(row.dimension, 1)}; ${fixed(row.shuffled_dimension, 1)}`);
  if (row.rings) add("correlation of ring angle and phase of place", row.rings.correlation.map((value) => fixed(value)).join(", "));
  return list;
}

/**
 * The states in three dimensions with controls for population, method and colour.
 * @param {HTMLElement} el is emptied
 * @param {object|null} states the document
 * @param {{population?: string, file?: string}} [options] name of the population to begin with
 * @returns {Promise<{update: (states: object) => void, destroy: () => void}>}
 */
export async function torus(el, states, { population, ...options } = {}) {
  styleCharts();
  const make = (tag, name, ...children) => {
    const element = Object.assign(document.createElement(tag), { className: name });
    element.append(...children);
    return element;
  };
  const root = make("div", "torus");
  el.replaceChildren(root);
  if (!states?.populations?.some((row) => row.samples)) {
    root.append(make("p", "chart-note", "The states were not embedded in three dimensions."));
    return { update: () => {}, destroy: () => root.remove() };
  }
  let rows = ordered(states).filter((row) => row.samples);
  const choice = { row: rows.find((row) => row.name === population) ?? rows[0], method: "isomap", colour: "first" };
  const select = (label, onChange) => {
    const box = make("select", "");
    box.addEventListener("change", () => onChange(box.value));
    return { box, label: make("label", "", `${label} `, box) };
  };
  const pick = {
    row: select("states of", (name) => show({ row: rows.find((row) => row.name === name) })),
    method: select("method", (method) => show({ method })),
    colour: select("colour by", (colour) => show({ colour })),
  };
  const host = make("div", "torus-plot");
  const beside = make("div", "torus-said");
  const choices = make("div", "chart-choices", ...Object.values(pick).map(({ label }) => label));
  root.append(choices, make("div", "torus-beside", host, beside), make("p", "chart-note", CAPTION));
  const drawable = hasWebgl();
  const picture = drawable ? chart(host, spec(), view(), options) : null;
  if (!drawable) {
    choices.hidden = true;
    host.append(
      make(
        "p",
        "chart-note",
        "This browser draws nothing in three dimensions (WebGL is off or missing). The static figure of state space on this page shows the same states.",
      ),
    );
  }

  /** The choice as it can be: colours of a lattice only where there is one. */
  function view() {
    const able = colouring(choice.row);
    return {
      ...choice,
      method: choice.row.samples[choice.method] ? choice.method : Object.keys(choice.row.samples)[0],
      colour: able.includes(choice.colour) ? choice.colour : able[0],
    };
  }

  function fill(box, entries, chosen) {
    box.replaceChildren(...entries.map(([value, text]) => Object.assign(document.createElement("option"), { value, textContent: text })));
    box.value = chosen;
  }

  function show(changes = {}) {
    Object.assign(choice, changes);
    const now = view();
    fill(
      pick.row.box,
      rows.map((row) => [row.name, populationName(row)]),
      now.row.name,
    );
    fill(
      pick.method.box,
      Object.keys(now.row.samples).map((key) => [key, METHODS[key] ?? key]),
      now.method,
    );
    fill(
      pick.colour.box,
      colouring(now.row).map((key) => [key, COLOURS[key]]),
      now.colour,
    );
    beside.replaceChildren(
      make("p", "torus-verdict", inWords(now.row)),
      facts(now.row),
      make("p", "chart-note", `${whole(now.row.samples[now.method].points[0].length)} states shown.`),
    );
    beside.style.borderLeft = `3px solid ${now.row.torus ? ink(2) : "var(--line, #d8d8dc)"}`;
    beside.style.paddingLeft = ".9rem";
    picture?.update(now);
  }

  show();
  return {
    picture,
    update(next) {
      rows = ordered(next).filter((row) => row.samples);
      show({ row: rows.find((row) => row.name === choice.row.name) ?? rows[0] });
    },
    destroy() {
      picture?.destroy();
      root.remove();
    },
  };
}
