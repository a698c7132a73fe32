/** Numbers and names as text. An unknown value is a dash. */

export const MISSING = "–";

/** Whether a value is a finite number. */
export const known = Number.isFinite;

/** A number with a fixed number of decimals and a true minus sign. */
export function fixed(value, digits = 2) {
  if (!known(value)) return MISSING;
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

/** A whole number with separators. */
export const whole = (value) => (known(value) ? Math.round(value).toLocaleString("en") : MISSING);

/** A p-value in one or two digits. */
export function pText(value) {
  if (!known(value)) return MISSING;
  if (value >= 0.0995) return value.toFixed(2);
  if (value >= 0.0001) return String(Number(value.toPrecision(1)));
  const [lead, power] = value.toExponential(0).split("e-");
  const superscript = [...power].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("");
  return `${lead === "1" ? "" : `${lead} × `}10⁻${superscript}`;
}

/** A share in percent. */
export const percent = (value, digits = 0) =>
  known(value) ? `${(100 * value).toFixed(digits)}%` : MISSING;

/** Metres, with more decimals for short lengths. */
export const metres = (value) =>
  known(value) ? `${value.toFixed(value < 0.1 ? 3 : 2)} m` : MISSING;

/** At most so many significant digits, without an exponent. */
export const short = (value, digits = 3) =>
  known(value) ? String(Number(value.toPrecision(digits))).replace("-", "−") : MISSING;

/** "1 unit", "2 units". */
export const count = (number, one, many = `${one}s`) =>
  `${whole(number)} ${number === 1 ? one : many}`;

/** How long ago, in words. */
export function ago(epochSeconds) {
  if (!known(epochSeconds)) return MISSING;
  const passed = Date.now() / 1000 - epochSeconds;
  const units = Object.entries({ day: 86400, hour: 3600, minute: 60 });
  const [name, seconds] = units.find(([, length]) => passed >= length) ?? [];
  return name ? `${count(Math.floor(passed / seconds), name)} ago` : "just now";
}

/** Day and time of this machine: "2026-11-27 20:31". */
export function date(epochSeconds) {
  if (!known(epochSeconds)) return MISSING;
  const at = new Date(1000 * epochSeconds);
  const two = (number) => String(number).padStart(2, "0");
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** The first sentence of a text, and the rest. */
export function firstSentence(text) {
  const end = /[.!?](?=\s+\p{Lu})/u.exec(text);
  return end ? [text.slice(0, end.index + 1), text.slice(end.index + 1).trim()] : [text, ""];
}

/** A sentence with a capital and a full stop. */
export const sentence = (text) =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** A group of maps in words: "smooth walk, 4 m". */
export function groupName({ group, walk, arena_m: arena, headline }) {
  const parts = [walk && `${walk} walk`, known(arena) && `${short(arena)} m`].filter(Boolean);
  const text = parts.join(", ") || group;
  return headline ? `${text} (tested)` : text;
}

/** States of a run and what they mean. */
export const STATES = {
  reading: "not read yet",
  training: "being trained now",
  stopped: "stopped before its last step; `gridcode train` continues it",
  trained: "trained, not evaluated yet",
  evaluated: "trained and evaluated",
  damaged: "damaged; what is intact is shown",
};

/** The file that the maps of an evaluation, or of a recording, come from. */
export const sourceOf = (run, group) =>
  run.kind === "population" ? (run.source?.file ?? "the maps") : `evaluation/ratemaps.nc, ${group}`;
