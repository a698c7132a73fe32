/** Where documents come from: out of this page, or from the server that sent it. Nobody else knows which. */

const inline = new Map([...document.querySelectorAll("script[data-document]")].map((element) => [element.dataset.document, element]));
const cache = new Map();

/** "explorer" (served), "report" or "compare" (self-contained). */
export const mode = document.body.dataset.mode;

/** True where documents can change while the page is open. */
export const served = mode === "explorer";

/** Names of the documents inside the page. */
export const inlineNames = () => [...inline.keys()];

/**
 * A document by name, such as `runs/ID/run`; loaded once and kept.
 * @param {string} name
 * @param {{fresh?: boolean}} [options] `fresh` asks again.
 * @returns {Promise<Object|null>} null where there is no such document
 * @throws {Error} in words: the server's own, or that it does not answer
 */
export function load(name, { fresh = false } = {}) {
  if (fresh) cache.delete(name);
  let document_ = cache.get(name);
  if (!document_) {
    document_ = inline.has(name) ? fromPage(name) : served ? fromServer(name) : Promise.resolve(null);
    cache.set(name, document_);
    const mine = document_;
    const drop = () => cache.get(name) === mine && cache.delete(name);
    document_.then((value) => value ?? drop(), drop); // what failed or was not there may be there later
  }
  return document_;
}

/** Drops what is kept under names that begin so. */
export function forget(prefix) {
  for (const name of [...cache.keys()]) if (name.startsWith(prefix)) cache.delete(name);
}

async function fromPage(name) {
  return JSON.parse(inline.get(name).textContent);
}

async function fromServer(name) {
  let response;
  try {
    response = await fetch(`api/${name.split("/").map(encodeURIComponent).join("/")}`, { headers: { accept: "application/json" } });
  } catch {
    throw new Error("the explorer does not answer; is `gridcode explore` still running?");
  }
  if (response.status === 404) return null;
  if (!response.ok) {
    const said = await response.json().catch(() => null);
    throw new Error(typeof said?.detail === "string" ? said.detail : `the explorer answered with status ${response.status}`);
  }
  return response.json();
}
