/** Sections on the network as a whole: states, space, training, dynamics, code, provenance. */

import { failure, h } from "gridcode/dom.js";
import { fixed, known, short, whole } from "gridcode/format.js";
import { addTable, chartGrid, note } from "gridcode/section.js";
import { errorDetail, load, served } from "gridcode/source.js";
import * as charts from "gridcode/space-charts.js";
import { knownShapes, persistence, variance } from "gridcode/state-charts.js";
import { pairs, scrolling, table } from "gridcode/table.js";
import { torus } from "gridcode/torus.js";
import { trainingCurves } from "gridcode/training-charts.js";

/** @typedef {import("gridcode/cell-sections.js").PageContext} PageContext */

/** The states to be turned, persistence and variance of every population. */
export async function fillStates(body, { id, run, signal }) {
  const states = await load(`runs/${id}/states`);
  const turning = h("div.screen-only");
  body.append(turning);
  torus(turning, states, signal);
  if (run.has.figures.includes("state_space")) {
    body.append(h("div.print-only", await picture(id, "state_space", "eager")));
  }
  body.append(
    note(`Persistence: as states within a growing distance are joined, pieces, loops and voids
      appear and vanish; those that live long are the shape. One module of grid cells should make a
      torus: Betti numbers (1, 2, 1), one piece, two loops, one void.`),
  );
  const specs = states.populations.flatMap((row) => [persistence(row), variance(row)]);
  chartGrid(body, "halves", specs, signal);
}

/** Neural against physical distance, other paths, path integration. */
export function fillSpace(body, { run, signal }) {
  const { space, sigma_x_m: sigma, predicted_plateau: plateau } = run;
  body.append(
    note(
      "How far apart the network keeps places, whether the path to a place matters, and how " +
        "long it knows where it is, at the speeds of training. 1× is the square that training " +
        "covers; larger arenas were never trained. Neural distance is |g(x) − g(x′)| between " +
        "the states of two walkers.",
      known(sigma) && ` Training asks places further apart than σₓ = ${short(sigma)} m to differ.`,
      known(plateau) &&
        " Where only separation and capacity act, unrelated places settle at a distance of " +
          `${fixed(plateau)}.`,
    ),
  );
  const { distanceCurve, pathError, distanceAllConditions, invariance } = charts;
  const others = [pathError, distanceAllConditions, invariance].map((make) => make(space));
  chartGrid(body, "halves", [distanceCurve(space, run), ...others], signal);
  addTable(body, run, "space", "Distances and errors by walk and arena");
}

/** Loss terms against the step; follows a training that goes on. */
export async function fillTraining(body, page) {
  const { id, run, signal } = page;
  const last = h("p.note", { role: "status" });
  body.append(last);
  const above = await load(`runs/${id}/above`);
  const spec = (metrics) => {
    last.textContent = lastLine(metrics);
    return trainingCurves([{ name: run.name, metrics, above }]);
  };
  const metrics = await load(`runs/${id}/metrics`);
  const [curves] = chartGrid(body, "wide", [spec(metrics)], signal);
  page.newMetrics = (found) => curves(spec(found));
}

function lastLine(metrics) {
  const last = (name) => metrics?.[name]?.at(-1);
  if (!known(last("step"))) return "Nothing has been logged yet.";
  const ofNetworks = ["loss", "separation", "invariance", "capacity", "isometry"];
  const names = known(last("separation")) ? ofNetworks : Object.keys(metrics);
  const terms = names
    .filter((name) => name !== "step" && known(last(name)))
    .map((name) => `${name.replaceAll("_", " ")} ${fixed(last(name), 4)}`);
  if (known(last("silent_units"))) terms.push(`silent units ${whole(last("silent_units"))}`);
  return `At step ${whole(last("step"))}: ${terms.join(", ")}.`;
}

/** Known shapes, and all numbers of topology. */
export async function fillControls(body, { id, run, signal }) {
  const states = await load(`runs/${id}/states`);
  body.append(
    note(`The same measurement on controls of known shape, of as many units (14 at least) at the
      same places. Where these do not come out as expected, trust no torus here.`),
  );
  chartGrid(body, "wide", [knownShapes(states)], signal);
  addTable(body, run, "topology", "Topology of populations and controls");
}

/** Parts of the theory section: figure, title, explanation, table, title of the table. */
const theoryParts = (kick) => [
  {
    name: "dynamics",
    title: "Dynamics",
    text: `Above: what is left of a perturbation of ${kick || "a small size"} along the manifold and
      off it while the network goes on moving; Lyapunov exponents, two of which would be zero on a
      continuous attractor of two dimensions; and where states stop when the velocity is zero.
      Below: error of path integration under disturbances, beside a perfect integrator under the
      same ones.`,
    rows: "robustness",
    label: "Errors under every disturbance (in brackets: a perfect integrator)",
  },
  {
    name: "mechanism",
    title: "Mechanism",
    text: `The matrices W(v). A shifted bump would have weights that depend on the phase difference
      of two cells alone, with a profile that moves with the animal (slope 1). Self-weights are left
      out of the profile. The matrices act through a rectification, so their spectra alone do not
      determine the dynamics.`,
  },
  {
    name: "coding",
    title: "Properties of the code",
    text: `Seven properties of an ideal grid code (section 4.1 of the paper) and error correction,
      for this network and for four codes of as many units: a bar for each, a line for its null
      (solid) or its expectation (dotted). A single module distinguishes only the places of its unit
      cell, however large the area; large errors are then shifts by one lattice vector.`,
    rows: "coding",
    label: "Properties of every code (in brackets: null or expectation)",
  },
];

/** Dynamics, mechanism and code, as sentences and figures. */
export async function fillTheory(body, { id, run }) {
  const sentences = run.theory.map((sentence) => h("li", sentence));
  if (sentences.length) body.append(h("ul.sentences", sentences));
  for (const { name, title, text, rows, label } of theoryParts(run.kick_mm)) {
    const found = run.tables[rows];
    const drawn = run.has.figures.includes(name);
    if (!drawn && !found) continue;
    body.append(h("h3", title), note(text));
    if (drawn) body.append(await picture(id, name));
    if (found) body.append(block(label, table(found, { label, name: `${run.id}-${rows}` })));
  }
}

/** All units as a table. */
export function fillTable(body, { run, openUnit }) {
  body.append(note("Choose a heading to sort, a unit to see all about it."));
  addTable(body, run, "units", "Every unit, best hexagonal score first", openUnit);
}

/** Configuration, settings, provenance. */
export function fillSource(body, { run }) {
  const some = (entries) => Object.keys(entries ?? {}).length > 0;
  if (run.source) body.append(block("Source", pairs(run.source), true));
  if (run.config_toml) {
    body.append(block("Configuration", h("pre", { tabindex: 0 }, run.config_toml)));
  }
  if (some(run.settings)) body.append(block("Settings of the tests", pairs(run.settings)));
  if (some(run.origin)) body.append(block("Evaluation", pairs(run.origin)));
  if (some(run.manifest)) body.append(block("Provenance", pairs(run.manifest), true));
}

const block = (title, content, open = false) =>
  h("details", { open }, h("summary", title), content);

/** A figure that was drawn before, or that the server draws on request. */
async function picture(id, name, loading = "lazy") {
  const found = (await load(`runs/${id}/figures`)).find((figure) => figure.name === name);
  const image = h("img", { src: found.url, alt: found.text, loading });
  image.addEventListener("error", async () => {
    const error = served ? new Error(await fetch(found.url).then(errorDetail)) : null;
    image.replaceWith(failure(`The figure "${found.title}" could not be drawn`, error));
  });
  return scrolling(found.title, h("figure.static", image));
}
