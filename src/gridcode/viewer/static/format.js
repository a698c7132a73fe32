/** Numbers as people read them. What is not known is a dash, here and everywhere. */

export const MISSING = "–";
/** Whether a value is a number: null, undefined and NaN are what is not known. */
export const known = (value) => typeof value === "number" && Number.isFinite(value);

/** A number with so many decimals; true minus signs, so that columns line up. */
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
  return value
    .toExponential(0)
    .replace(/e-(\d+)/, (_, power) => ` × 10${superscript(power)}`)
    .replace("1 × ", "");
}

/** A share in percent. */
export const percent = (value, digits = 0) => (known(value) ? `${(100 * value).toFixed(digits)}%` : MISSING);

/** Metres, in more detail where it is little. */
export const metres = (value) => (known(value) ? `${value.toFixed(value < 0.1 ? 3 : 2)} m` : MISSING);

/** At most so many significant digits, without an exponent. */
export const short = (value, digits = 3) => (known(value) ? String(Number(value.toPrecision(digits))).replace("-", "−") : MISSING);

/** "1 unit", "2 units". */
export const count = (number, one, many = `${one}s`) => `${whole(number)} ${number === 1 ? one : many}`;

/** How long ago, in words. */
export function ago(epochSeconds, now = Date.now() / 1000) {
  if (!known(epochSeconds)) return MISSING;
  const passed = Math.max(0, now - epochSeconds);
  for (const [seconds, name] of [
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ]) {
    if (passed >= seconds) return `${count(Math.floor(passed / seconds), name)} ago`;
  }
  return "just now";
}

/** The first sentence of a text, and the rest. */
export function firstSentence(text) {
  const end = /[.!?](?=\s+\p{Lu})/u.exec(text);
  return end ? [text.slice(0, end.index + 1), text.slice(end.index + 1).trim()] : [text, ""];
}

function superscript(digits) {
  return `⁻${[...digits].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("")}`;
}
