/** Starts the front end: what the address asks for is shown, and what goes wrong is said in words. */

import { failure, h, painted, replace } from "gridcode/dom.js";
import { loadPalettes } from "gridcode/colours.js";
import { comparePage } from "gridcode/compare.js";
import { parse, samePage } from "gridcode/routes.js";
import { runPage } from "gridcode/run.js";
import { runsPage } from "gridcode/runs.js";
import { mode } from "gridcode/source.js";
import { startTheme, themeButton } from "gridcode/theme.js";

const main = document.getElementById("main");
const initialTitle = document.title;
let current = null; // {where, life, page}

/** Shows what the address asks for; within a page only what changes. */
async function route({ anew = false } = {}) {
  const where = parse(location.hash);
  if (!anew && current && samePage(current.where, where)) {
    current.where = where;
    current.page?.show?.(where);
    return;
  }
  const first = current === null;
  current?.life.abort();
  const life = new AbortController();
  const mine = { where, life, page: null };
  current = mine;
  const sheet = h("div", { class: `page ${where.view}` });
  const soon = setTimeout(() => main.setAttribute("aria-busy", "true"), 200);
  try {
    const page = await open(sheet, where, life.signal, () => current === mine && route({ anew: true }));
    if (current !== mine) return;
    mine.page = page ?? {};
    replace(main, sheet);
    document.title = page?.title ? `${page.title} · gridcode` : initialTitle;
    page?.show?.(mine.where); // which may have changed within the page while that was made
  } catch (error) {
    if (current !== mine) return;
    replace(main, errorPage(error));
    document.title = `Error · ${initialTitle}`;
  } finally {
    clearTimeout(soon);
    if (current === mine) main.removeAttribute("aria-busy");
  }
  if (!first && !anew && !where.unit && !where.section) {
    scrollTo(0, 0);
    main.querySelector("h1")?.focus({ preventScroll: true });
  }
}

function open(sheet, where, signal, again) {
  if (where.view === "run") return runPage(sheet, where, signal, again);
  if (where.view === "compare") return comparePage(sheet, where, signal);
  if (where.view === "runs") return runsPage(sheet, signal);
  throw new Error(`there is nothing at ${location.hash}`);
}

function errorPage(error) {
  return h(
    "div",
    { class: "page error" },
    h("h1", { tabindex: -1 }, "This could not be shown"),
    failure(sentence(error.message ?? String(error))),
    h(
      "p",
      {},
      mode === "report" ? null : [h("a", { href: "#/" }, "All runs"), " or "],
      h("button", { type: "button", class: "link", onclick: () => route({ anew: true }) }, "try again"),
    ),
  );
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

async function start() {
  startTheme();
  document.getElementById("tools").append(themeButton());
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  document.addEventListener("click", (event) => {
    // The address of where one is already: a section is gone to all the same.
    const link = event.target.closest?.("a[href^='#']");
    if (link && link.getAttribute("href") === location.hash) route();
  });
  addEventListener("popstate", () => route());
  addEventListener("beforeprint", () =>
    main.querySelectorAll("details:not([open])").forEach((each) => (each.open = each.dataset.closed = true)),
  );
  addEventListener("afterprint", () =>
    main.querySelectorAll("details[data-closed]").forEach((each) => ((each.open = false), delete each.dataset.closed)),
  );
  await painted(); // the verdict in the shell is on the screen before anything else happens
  await loadPalettes();
  await route();
  document.documentElement.dataset.ready = "";
}

start().catch((error) => replace(main, errorPage(error)));
