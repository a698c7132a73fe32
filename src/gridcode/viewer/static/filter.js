/** What a list is filtered by: words, and conditions such as `sigma_g=0.4` or `seed>3`. */

const CONDITION = /^([a-z]\w*(?:\.\w+)*)(<=|>=|!=|=|<|>)(.*)$/;
const COMPARE = {
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
};

/**
 * Reads what was typed, in lower case. `keys` are the names that conditions may have, which also
 * answer to what follows their dot; `valueOf` takes a row and a key, `textOf` a row. The result has
 * `wanted`, which takes a row, and `unknown`, names that are no key.
 */
export function filterOf(text, { keys, valueOf, textOf }) {
  const conditions = [];
  const words = [];
  const unknown = [];
  for (const part of text.split(/\s+/).filter(Boolean)) {
    const [, name, sign, value] = CONDITION.exec(part) ?? [];
    if (!name) words.push(part);
    else if (value !== "") {
      const meant = keys.includes(name) ? [name] : keys.filter((key) => key.split(".")[1] === name);
      if (!meant.length) unknown.push(name);
      conditions.push((row) => meant.some((key) => compared(valueOf(row, key), sign, value)));
    }
  }
  return {
    unknown,
    wanted: (row) =>
      words.every((word) => textOf(row).toLowerCase().includes(word)) &&
      conditions.every((holds) => holds(row)),
  };
}

/** Whether a value is as wanted: as numbers where both are, else as text without spaces. */
function compared(found, sign, wanted) {
  if (found === null || found === undefined) return false;
  if (typeof found === "number" && !Number.isNaN(Number(wanted))) {
    return COMPARE[sign](found, Number(wanted));
  }
  const text = typeof found === "string" ? found : JSON.stringify(found);
  return ["=", "!="].includes(sign) && COMPARE[sign](text.toLowerCase().replace(/\s/g, ""), wanted);
}
