/** Maps over training: where they come from, and the slider that walks through them. */

import { decode } from "gridcode/decode.js";
import { h, wait } from "gridcode/dom.js";
import { count, known, whole } from "gridcode/format.js";
import { keepStep } from "gridcode/routes.js";
import { load } from "gridcode/source.js";

const ABOVE = 0.5;
const PLAY_MS = 350;

/**
 * A moment of training; `above` is how many units score above 0.5.
 * @typedef {{step: number, binM: number, map: function(number), score: function(number),
 *   above: ?number}} Frame
 */

/** The steps of a run's history, and its Frames by index; null where it has none. */
export async function openHistory(id, { fresh = false } = {}) {
  const found = await load(`runs/${id}/history`, { fresh }); // it grows during a training
  if (!found?.steps.length) return null;
  const { steps } = found;
  const stored = found.rate && (await decode(found.rate));
  if (stored) {
    const at = async (index) =>
      frame(steps[index], found.bin_size_m, (unit) => stored(index, unit), found.grid_score[index]);
    return { steps, at };
  }
  return {
    steps,
    async at(index) {
      const step = steps[index];
      const one = await load(`runs/${id}/history/${step}`);
      if (!one) throw new Error(`there are no maps of step ${whole(step)}`);
      return frame(step, one.bin_size_m, await decode(one.rate), one.grid_score);
    },
  };
}

const frame = (step, binM, map, scores) => ({
  step,
  binM,
  map,
  score: (unit) => scores?.[unit] ?? null,
  above: scores ? scores.filter((value) => known(value) && value > ABOVE).length : null,
});

/**
 * A slider over a history. `final` adds the maps of the evaluation as the last position, for which
 * `onFrame` gets null; `step` is shown first. The result can go to the last position
 * (`toEnd`), to a step (`goTo`) and take a longer history (`grow`).
 */
export function historySlider(history, { label, onFrame, final, step = null, signal }) {
  let last = 0;
  let newest = 0;
  let turn = 0;
  let playing = 0; // the turn of playing that goes on
  const range = h("input", { type: "range", min: 0, step: 1, "aria-label": label });
  const output = h("output.moment");
  const button = h("button.play", { onclick: () => play(!playing) });
  const element = h("div.history", button, range, output);
  range.addEventListener("input", () => {
    play(false);
    show(Number(range.value));
  });

  const isFinal = (index) => final && index === last;
  const name = (index) =>
    isFinal(index) ? "after training, as evaluated" : `step ${whole(history.steps[index])}`;
  const write = (text) => {
    output.textContent = text;
    range.setAttribute("aria-valuetext", text);
  };

  async function show(index, { keep = true } = {}) {
    const mine = ++newest;
    range.value = index;
    if (keep) keepStep(isFinal(index) ? null : history.steps[index]);
    if (isFinal(index)) {
      onFrame(null);
      write(name(index));
      return true;
    }
    const waiting = setTimeout(() => mine === newest && write(`${name(index)}: computing …`), 120);
    try {
      const found = await history.at(index);
      if (mine !== newest || signal.aborted) return false;
      onFrame(found);
      const above = found.above === null ? "" : ` · ${count(found.above, "unit")} above ${ABOVE}`;
      write(name(index) + above);
      return true;
    } catch (error) {
      if (mine === newest) write(`${name(index)}: ${error.message}`);
      return false;
    } finally {
      clearTimeout(waiting);
    }
  }

  async function play(on) {
    const mine = on ? ++turn : 0;
    playing = mine;
    button.textContent = on ? "Pause" : "Play";
    button.setAttribute("aria-label", on ? "Pause the training" : "Play the training");
    if (!on) return;
    const at = Number(range.value);
    for (let index = at >= last ? 0 : at + 1; playing === mine; index += 1) {
      const shown = await show(index);
      if (!shown || index >= last || signal.aborted) return play(false);
      await wait(PLAY_MS);
    }
  }

  function setLength() {
    last = history.steps.length - (final ? 0 : 1);
    range.max = last;
  }

  signal.addEventListener("abort", () => (playing = 0));
  setLength();
  play(false);
  range.value = last;
  const first = step === null ? -1 : history.steps.indexOf(step);
  if (first >= 0) show(first);
  else if (final) write(name(last));
  else show(last, { keep: false });
  return {
    element,
    toEnd() {
      play(false);
      show(last);
    },
    /** Null is the evaluation, where there is one; a step that was not kept changes nothing. */
    goTo(wanted) {
      const index = wanted === null ? last : history.steps.indexOf(wanted);
      if ((wanted === null && !final) || index < 0 || index === Number(range.value)) return;
      play(false);
      show(index, { keep: false });
    },
    grow(longer) {
      const followed = !playing && Number(range.value) === last;
      history = longer;
      setLength();
      if (followed) show(last, { keep: false });
    },
  };
}
