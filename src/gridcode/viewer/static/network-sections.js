/** Sections on the network as a whole: its states, space, training, dynamics, code; and where all of it comes from. */

import { failure, h, replace } from "gridcode/dom.js";
import { chart, torus } from "gridcode/drawing.js";
import { fixed, short, whole } from "gridcode/format.js";
import { note, place } from "gridcode/section.js";
import { load, served } from "gridcode/source.js";
import { pairs, table } from "gridcode/table.js";

/** @typedef {import("gridcode/cell-sections.js").PageContext} PageContext */

/** Torus to turn, persistence and variance of every population. @param {PageContext} page */
export const statesSection = (page) => ({
  id: "states",
  title: "Shape of the states",
  short: "Torus",
  async fill(body) {
    const { id, run, keep } = page;
    const states = await load(`runs/${id}/states`);
    if (!states) return void body.append(note("The states were not measured."));
    const printed = await staticFigure(id, "state_space", "print-only");
    const turning = place("turning screen-only");
    body.append(
      note(
        "States in three dimensions (principal components to six, then Isomap or a spectral embedding): a picture and no test. " +
          "Drag to turn, wheel to zoom; the menus choose population, method and colours.",
      ),
      turning.element,
      ...[printed].filter(Boolean),
      note(
        "Persistence: as states within a growing distance are joined, pieces, loops and voids appear and vanish; what lives " +
          "long is the shape. Features far above the diagonal count; the bands hold what 95% of shuffled states stay within; " +
          "marks on the dotted line were alive where the measurement ended. One module of grid cells should make a torus, Betti " +
          "numbers (1, 2, 1). Variance: along principal components.",
      ),
    );
    keep([
      await torus(turning.inner, states, {
        population: states.populations.find((row) => row.module !== null)?.name ?? states.populations[0]?.name,
      }),
    ]);
    for (const population of states.populations) {
      const [bars, variance] = [place(), place()];
      body.append(h("div", { class: "grid halves" }, bars.element, variance.element));
      keep([await chart(bars.inner, "persistence", population), await chart(variance.inner, "variance", population)]);
    }
  },
});

/** Neural against physical distance, other paths, path integration. @param {PageContext} page */
export const spaceSection = (page) => ({
  id: "space",
  title: "Distance and path integration",
  short: "Space",
  async fill(body) {
    const { run, keep } = page;
    const places = { curve: place(), error: place(), all: place(), invariance: place() };
    body.append(
      note(
        `How far apart the network keeps places, whether the way to a place matters, and how long it knows where it is, always ` +
          `at the speeds of training; 1x is the square that training covers, larger arenas were never trained. Neural distance is ` +
          `|g(x) − g(x′)| between the states of two walkers.`,
        run.sigma_x_m !== null && ` Training asks places further apart than σₓ = ${short(run.sigma_x_m)} m to differ;`,
        Number.isFinite(run.predicted_plateau) &&
          ` where nothing but separation and capacity acts, unrelated places settle at a distance of ${fixed(run.predicted_plateau)}.`,
      ),
      note(
        "Other path: squared difference between states at one place reached by different paths, over that of unrelated places. " +
          "Error: median of the place read from the state alone, near the last reading; beside it dead reckoning with independent " +
          "errors of each step, as large as the network's own error grows from step 1 to 10.",
      ),
      h(
        "div",
        { class: "grid halves" },
        Object.values(places).map(({ element }) => element),
      ),
    );
    keep(
      await Promise.all([
        chart(places.curve.inner, "distanceCurve", run.space, { sigma_x_m: run.sigma_x_m, predicted_plateau: run.predicted_plateau }),
        chart(places.error.inner, "pathError", run.space),
        chart(places.all.inner, "distanceAllConditions", run.space),
        chart(places.invariance.inner, "invariance", run.space),
      ]),
    );
    if (run.tables.space)
      body.append(table(run.tables.space, { label: "Distances and errors by walk and arena", name: `${run.id}-space` }));
  },
});

/** Loss terms against the step; follows a training that goes on. @param {PageContext} page */
export const trainingSection = (page) => ({
  id: "training",
  title: "Training",
  async fill(body) {
    const { id, run, keep } = page;
    const metrics = await load(`runs/${id}/metrics`);
    const curves = place("wide");
    const last = h("p", { class: "note", role: "status" });
    const tell = (found) => (last.textContent = lastLine(found));
    tell(metrics);
    body.append(last, curves.element);
    const handle = await chart(curves.inner, "trainingCurves", [{ name: run.name, metrics }]);
    keep([handle]);
    page.newMetrics = (found) => {
      tell(found);
      handle?.update([{ name: run.name, metrics: found }]);
    };
  },
});

/** Controls of known shape, and all numbers of topology. @param {PageContext} page */
export const controlsSection = (page) => ({
  id: "controls",
  title: "Controls",
  async fill(body) {
    const { id, run, keep } = page;
    const states = await load(`runs/${id}/states`);
    const longest = place("wide");
    body.append(
      note(
        "The same measurement on controls of known shape, of as many units (14 at least) at the same places. Where these do not " +
          "come out as they should, trust no torus here.",
      ),
      longest.element,
    );
    keep([await chart(longest.inner, "controls", states)]);
    if (run.tables.topology)
      body.append(table(run.tables.topology, { label: "Topology of populations and controls", name: `${run.id}-topology` }));
  },
});

/** What was found of dynamics, mechanism and code, as sentences and figures. @param {PageContext} page */
export const theorySection = (page) => ({
  id: "theory",
  title: "State space, dynamics, code",
  short: "Theory",
  async fill(body) {
    const { id, run } = page;
    const parts = [
      [
        "dynamics",
        "Dynamics",
        `Above: what is left of a kick of ${run.kick_mm || "a small size"} along the manifold (a displacement) and off it, ` +
          `while the network goes on moving; Lyapunov exponents, two of which would be zero on a continuous attractor of two ` +
          `dimensions; and where states stop when the velocity is zero. Below: error of path integration under disturbances, ` +
          `beside a perfect integrator under the same ones.`,
        "robustness",
        "Errors under every disturbance (in brackets: a perfect integrator)",
      ],
      [
        "mechanism",
        "What was learnt",
        "The matrices W(v). A shifted bump would be: weights that depend on the phase difference of two cells alone, with a " +
          "profile that moves as the animal does (slope 1). Self-weights are left out of the profile. The matrices act through a " +
          "rectification, so that their spectra alone do not tell the dynamics.",
        null,
        null,
      ],
      [
        "coding",
        "Properties of the code",
        "Seven properties of an ideal grid code (section 4.1 of the paper) and error correction, for this network and for four " +
          "codes of as many units: a bar for each, a line for its null (solid) or for what theory expects (dotted). A single " +
          "module tells only the places of its unit cell apart, however large the area; readings that are wrong altogether are " +
          "then look-alikes one lattice vector away.",
        "coding",
        "Properties of every code (in brackets: null or expectation)",
      ],
    ];
    if (run.theory?.length)
      body.append(
        h(
          "ul",
          { class: "sentences" },
          run.theory.map((sentence) => h("li", {}, sentence)),
        ),
      );
    for (const [name, title, text, rows, label] of parts) {
      const drawn = run.has.figures.includes(name) ? await staticFigure(id, name) : null;
      const found = rows && run.tables[rows];
      if (!drawn && !found) continue;
      body.append(h("h3", {}, title), note(text), ...[drawn].filter(Boolean));
      if (found) body.append(h("details", {}, h("summary", {}, label), table(found, { label, name: `${run.id}-${rows}` })));
    }
  },
});

/** All units as a table. @param {PageContext} page */
export const tableSection = (page) => ({
  id: "table",
  title: "Every unit in numbers",
  short: "Numbers",
  fill(body) {
    body.append(
      note("Choose a heading to sort, a unit to see all about it."),
      table(page.run.tables.units, { label: "Every unit, best hexagonal score first", name: `${page.run.id}-units`, onRow: page.openUnit }),
    );
  },
});

/** Configuration, settings, provenance. @param {PageContext} page */
export const sourceSection = (page) => ({
  id: "provenance",
  title: "Configuration and provenance",
  short: "Provenance",
  fill(body) {
    const { run } = page;
    const block = (title, content, open = false) => h("details", { open }, h("summary", {}, title), content);
    if (run.source) body.append(block("Source", pairs(run.source), true));
    if (run.config_toml) body.append(block("Configuration", h("pre", { tabindex: 0 }, run.config_toml)));
    if (Object.keys(run.settings ?? {}).length) body.append(block("Settings of the tests", pairs(run.settings)));
    if (Object.keys(run.manifest ?? {}).length) body.append(block("Provenance", pairs(run.manifest), true));
  },
});

/** A figure that was drawn beforehand, or drawn by the server on request; null where there is none. */
async function staticFigure(id, name, kind = "") {
  const found = (await load(`runs/${id}/figures`))?.find((figure) => figure.name === name);
  if (!found) return null;
  const image = h("img", { src: found.url, alt: found.text, loading: kind ? null : "lazy" });
  const element = h("figure", { class: `static ${kind}` }, image);
  image.addEventListener("error", async () =>
    replace(element, failure(`The figure "${found.title}" could not be drawn`, await reason(found.url))),
  );
  return element;
}

/** Why a picture did not come, as the server says it; an image's own error does not. */
async function reason(url) {
  const said = served
    ? await fetch(url)
        .then((response) => response.json())
        .catch(() => null)
    : null;
  return typeof said?.detail === "string" ? new Error(said.detail) : null;
}

function lastLine(metrics) {
  const last = (name) => metrics?.[name]?.at(-1);
  if (!Number.isFinite(last("step"))) return "Nothing has been logged yet.";
  const terms = ["loss", "separation", "invariance", "capacity", "isometry"].filter((name) => Number.isFinite(last(name)));
  const silent = Number.isFinite(last("silent_units")) ? `; silent units ${whole(last("silent_units"))}` : "";
  return `At step ${whole(last("step"))}: ${terms.map((name) => `${name} ${fixed(last(name), 4)}`).join(", ")}${silent}.`;
}
