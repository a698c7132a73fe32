/** Documents, from inside this page or from the server that sent it. */

const inline = new Map(
  [...document.querySelectorAll("script[data-document]")].map((element) => [
    element.dataset.document,
    element,
  ]),
);
const cache = new Map();

/** "explorer" (served), "report" or "compare" (self-contained). */
export const mode = document.body.dataset.mode;

/** True where documents can change while the page is open. */
export const served = mode === "explorer";

/** Identities of the runs inside the page. */
export const inlineRuns = [...inline.keys()]
  .map((name) => /^runs\/([^/]+)\/run$/.exec(name)?.[1])
  .filter(Boolean);

/**
 * A document by name, such as `runs/ID/run`, or null; loaded once and kept, `fresh` asks again.
 * @throws {Error} the server's message, or that it does not answer
 */
export function load(name, { fresh = false } = {}) {
  if (fresh) cache.delete(name);
  if (!cache.has(name)) {
    const found = inline.has(name) ? fromPage(name) : fromServer(name);
    cache.set(name, found);
    const drop = () => cache.get(name) === found && cache.delete(name);
    found.then((value) => value ?? drop(), drop); // what is missing now may be there later
  }
  return cache.get(name);
}

/** Drops what is kept under names that begin so: it may have changed. */
export function forget(prefix) {
  for (const name of [...cache.keys()]) if (name.startsWith(prefix)) cache.delete(name);
}

/** The message of an answer that is an error. */
export async function errorDetail(response) {
  const body = await response.json().catch(() => null);
  return typeof body?.detail === "string"
    ? body.detail
    : `the explorer answered with status ${response.status}`;
}

async function fromPage(name) {
  return JSON.parse(inline.get(name).textContent);
}

async function fromServer(name) {
  if (!served) return null;
  let response;
  try {
    response = await fetch(`api/${name.split("/").map(encodeURIComponent).join("/")}`);
  } catch {
    throw new Error("the explorer does not answer; is `gridcode explore` still running?");
  }
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(await errorDetail(response));
  return response.json();
}
