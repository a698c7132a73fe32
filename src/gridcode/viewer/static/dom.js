/** Elements in one line. Children are nodes or text, never markup, so text from files is safe. */

/**
 * An HTML element.
 * @param {string} name its tag and classes: "p.note"
 * @param {...(Object<string, *>|Node|string|number|null|undefined|false|Array)} parts attributes,
 *   if the first is a plain object, then children. `onclick` and the like take functions, `style`
 *   an object of CSS properties; null, undefined and false are left out.
 * @returns {HTMLElement}
 */
export function h(name, ...parts) {
  const [tag, ...classes] = name.split(".");
  return fill(document.createElement(tag), classes, parts);
}

/** The same for SVG. */
export function svg(name, ...parts) {
  const [tag, ...classes] = name.split(".");
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), classes, parts);
}

/** Replaces the children of an element. */
export function replace(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/** Text in which commands between backticks are set as code. */
export const withCode = (text) =>
  text.split("`").map((part, k) => (k % 2 ? h("code", part) : part));

/** A paragraph that says what went wrong. */
export const failure = (text, error) =>
  h("p.failure", { role: "alert" }, withCode(error ? `${text}: ${error.message}` : text));

/** A labelled form field. */
export const field = (label, input) => h("label.field", h("span", label), input);

/** A labelled choice among [value, text] pairs; the first is chosen where `value` is not given. */
export function select(label, options, value, onchange) {
  const choice = h("select", { onchange: (event) => onchange(event.target.value) });
  setOptions(choice, options, value);
  return field(label, choice);
}

/** Gives a choice other options. */
export function setOptions(choice, options, value = options[0]?.[0]) {
  replace(
    choice,
    options.map(([key, text]) => h("option", { value: key }, text)),
  );
  choice.value = value;
}

/** A search field that calls `onText` with what is typed, in lower case. */
export const search = (label, placeholder, onText) =>
  field(
    label,
    h("input", {
      type: "search",
      placeholder,
      autocomplete: "off",
      spellcheck: "false",
      oninput: (event) => onText(event.target.value.trim().toLowerCase()),
    }),
  );

/** Resolves after the browser has painted, so that long work does not delay what is shown. */
export function painted() {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 100); // hidden pages have no frames
    requestAnimationFrame(() => {
      clearTimeout(timer);
      setTimeout(resolve);
    });
  });
}

/** Resolves after so many milliseconds. */
export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function nodes(children) {
  return children.flat(Infinity).filter((child) => child || child === 0);
}

function fill(element, classes, parts) {
  const given = parts[0]?.constructor === Object;
  const attributes = { type: element.matches("button") && "button", ...(given ? parts[0] : {}) };
  element.classList.add(...classes);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (name === "style") {
      Object.entries(value).forEach((entry) => element.style.setProperty(...entry));
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...nodes(given ? parts.slice(1) : parts));
  return element;
}
