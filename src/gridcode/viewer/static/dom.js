/** Elements in one line. Children are nodes or text, never markup: what comes from files can be shown as it is. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element.
 * @param {string} tag
 * @param {Object<string, *>} [attributes] `onclick` and the like take functions, `style` an object of properties (custom ones too);
 *   null, undefined and false are left out.
 * @param {...(Node|string|number|null|undefined|Array)} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Empties an element and fills it anew. */
export function replace(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/** Text in which `commands` between backticks are set as such. */
export function withCode(text) {
  return text.split("`").map((part, k) => (k % 2 ? h("code", {}, part) : part));
}

/** A paragraph that says in words what went wrong. */
export function failure(text, error) {
  return h("p", { class: "failure", role: "alert" }, withCode(error ? `${text}: ${error.message ?? error}` : text));
}

/** A frame after which the browser has painted, so that long work does not hold up what is already there. */
export function painted() {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 100); // hidden pages have no frames
    requestAnimationFrame(() => {
      clearTimeout(timer);
      setTimeout(resolve);
    });
  });
}

/** True where people asked their system for less motion. */
export const quiet = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [property, setting] of Object.entries(value)) element.style.setProperty(property, setting);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...nodes(children));
  return element;
}

/** A labelled choice. */
export function select(label, options, value, onchange) {
  const choice = h(
    "select",
    { onchange },
    options.map(([key, text]) => h("option", { value: key }, text)),
  );
  choice.value = value ?? options[0]?.[0];
  return h("label", { class: "field" }, h("span", {}, label), choice);
}
