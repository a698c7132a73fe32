/** Maps over training: where they come from, and the slider that walks through them. */

import { h, quiet } from "gridcode/dom.js";
import { decode } from "gridcode/decode.js";
import { load } from "gridcode/source.js";
import { count, whole } from "gridcode/format.js";

const ABOVE = 0.5;
const PLAY_MS = 350;

/**
 * A moment of training.
 * @typedef {{step: number, binM: number|null, map: function(number): import("gridcode/decode.js").Slice, score: function(number):
 *   ?number, above: ?number}} Frame
 */

/**
 * The history of a run, or null where it has none.
 * @param {string} id
 * @returns {Promise<{steps: number[], stored: boolean, units: ?number, at: function(number): Promise<Frame>}|null>}
 */
export async function openHistory(id, { fresh = false } = {}) {
  const found = await load(`runs/${id}/history`, { fresh }); // it grows while a network is trained
  if (!found?.steps?.length) return null;
  const stored = found.rate ? await decode(found.rate) : null;
  const kept = new Map();
  const binM = found.bin_size_m ?? null;

  async function computed(index) {
    const step = found.steps[index];
    const one = await load(`runs/${id}/history/${step}`);
    if (!one) throw new Error(`there are no maps of step ${whole(step)}`);
    const rate = await decode(one.rate);
    return frame(step, binM ?? one.bin_size_m ?? null, (unit) => rate.slice(unit), one.minmax);
  }

  return {
    steps: found.steps,
    stored: Boolean(stored),
    units: stored?.shape[1] ?? null,
    at(index) {
      if (!kept.has(index)) {
        const made = stored
          ? Promise.resolve(frame(found.steps[index], binM, (unit) => stored.slice(index, unit), found.minmax?.[index]))
          : computed(index);
        made.catch(() => kept.delete(index));
        kept.set(index, made);
      }
      return kept.get(index);
    },
  };
}

/**
 * A slider over a history.
 * @param {Awaited<ReturnType<typeof openHistory>>} history
 * @param {{label: string, onFrame: function(?Frame), final?: boolean, signal: AbortSignal}} options
 *   `final` adds the maps of the evaluation as the last position, for which `onFrame` gets null
 * @returns {{element: HTMLElement, toEnd: function(), grow: function(Object)}} `toEnd` goes to the last position without telling anybody;
 *   `grow` takes a history with more steps, and shows the newest where the last was shown before
 */
export function historySlider(history, { label, onFrame, final = true, signal }) {
  let last = history.steps.length - 1 + (final ? 1 : 0);
  const range = h("input", { type: "range", min: 0, max: last, value: last, step: 1, "aria-label": label });
  const said = h("output", { class: "moment" });
  const button = h("button", { type: "button", class: "play" });
  let newest = 0;
  let timer = null;

  const isFinal = (index) => final && index === last;
  const name = (index) => (isFinal(index) ? "after training, as evaluated" : `step ${whole(history.steps[index])}`);
  const tell = (text) => {
    said.textContent = text;
    range.setAttribute("aria-valuetext", text);
  };

  async function show(index) {
    const mine = ++newest;
    if (isFinal(index)) {
      onFrame(null);
      tell(name(index));
      return true;
    }
    const waiting = setTimeout(() => mine === newest && tell(`computing maps of ${name(index)} …`), 120);
    try {
      const frame = await history.at(index);
      if (mine !== newest || signal.aborted) return false;
      onFrame(frame);
      tell(`${name(index)}${frame.above === null ? "" : ` · ${count(frame.above, "unit")} above ${ABOVE}`}`);
      if (!history.stored && index + 1 < history.steps.length) history.at(index + 1).catch(() => {}); // told when it is wanted
      return true;
    } catch (error) {
      if (mine === newest) tell(`maps of ${name(index)}: ${error.message}`);
      return false;
    } finally {
      clearTimeout(waiting);
    }
  }

  function play(on) {
    clearTimeout(timer);
    timer = on ? setTimeout(next, 0) : null;
    button.textContent = on ? "Pause" : "Play";
    button.setAttribute("aria-label", on ? "Pause the training" : "Play the training");
  }

  async function next() {
    const from = Number(range.value);
    range.value = from >= last ? 0 : from + 1;
    const shown = await show(Number(range.value));
    if (timer === null) return;
    if (!shown || Number(range.value) >= last || signal.aborted) play(false);
    else timer = setTimeout(next, quiet() ? 3 * PLAY_MS : PLAY_MS);
  }

  button.addEventListener("click", () => play(timer === null));
  range.addEventListener("input", () => {
    play(false);
    show(Number(range.value));
  });
  signal.addEventListener("abort", () => play(false));
  play(false);
  tell(name(last));
  if (!final) show(last);
  const toEnd = () => {
    play(false);
    newest += 1;
    range.value = last;
    tell(name(last));
  };
  const grow = (longer) => {
    const followed = timer === null && Number(range.value) === last;
    history = longer;
    last = history.steps.length - 1 + (final ? 1 : 0);
    range.max = last;
    if (!followed) return;
    range.value = last;
    show(last);
  };
  return { element: h("div", { class: "history" }, button, range, said), toEnd, grow };
}

function frame(step, binM, map, scores) {
  const known = scores?.filter((value) => value !== null && value !== undefined);
  return { step, binM, map, score: (unit) => scores?.[unit] ?? null, above: known ? known.filter((value) => value > ABOVE).length : null };
}
