/** Starts the page: shows what the address asks for, and says what goes wrong. */

import { loadPalettes } from "gridcode/colours.js";
import { comparePage } from "gridcode/compare.js";
import { failure, h, painted, replace } from "gridcode/dom.js";
import { sentence } from "gridcode/format.js";
import { keysButton } from "gridcode/keys.js";
import { parse, samePage } from "gridcode/routes.js";
import { runPage } from "gridcode/run.js";
import { runsPage } from "gridcode/runs.js";
import { mode } from "gridcode/source.js";
import { sweepPage } from "gridcode/sweep.js";
import { startTheme, themeButton } from "gridcode/theme.js";

const main = document.getElementById("main");
const initialTitle = document.title;
let current = null; // {where, life, page}

/** Shows what the address asks for; within a page only what changes. */
async function route({ again = false } = {}) {
  const where = parse(location.hash);
  if (!again && current && samePage(current.where, where)) {
    current.where = where;
    current.page?.show?.(where);
    return;
  }
  const first = current === null;
  current?.life.abort();
  const mine = { where, life: new AbortController(), page: null };
  current = mine;
  const sheet = h(`div.page.${where.view}`);
  const busy = setTimeout(() => main.setAttribute("aria-busy", "true"), 200);
  try {
    const page = await open(sheet, mine);
    if (current !== mine) return;
    mine.page = page ?? {};
    replace(main, sheet);
    document.title = page?.title ? `${page.title} · gridcode` : initialTitle;
    page?.show?.(mine.where); // which may have changed meanwhile
  } catch (error) {
    if (current !== mine) return;
    replace(main, errorPage(error));
    document.title = `Error · ${initialTitle}`;
  } finally {
    clearTimeout(busy);
    if (current === mine) main.removeAttribute("aria-busy");
  }
  if (!first && !again && !where.unit && !where.section) {
    scrollTo(0, 0);
    main.querySelector("h1")?.focus({ preventScroll: true });
  }
}

async function open(sheet, mine) {
  const { where, life } = mine;
  const again = () => current === mine && route({ again: true });
  if (where.view === "run") return runPage(sheet, where, life.signal, again);
  if (where.view === "compare") return comparePage(sheet, where, life.signal);
  if (where.view === "sweep") return sweepPage(sheet, where, life.signal);
  if (where.view === "runs") return runsPage(sheet, life.signal);
  throw new Error(`there is nothing at ${location.hash}`);
}

function errorPage(error) {
  const retry = () => route({ again: true });
  return h(
    "div.page.error",
    h("h1", { tabindex: -1 }, "This could not be shown"),
    failure(sentence(error.message)),
    h(
      "p",
      mode !== "report" && [h("a", { href: "#/" }, "All runs"), " or "],
      h("button.link", { onclick: retry }, "try again"),
    ),
  );
}

async function start() {
  startTheme();
  document.getElementById("tools").append(keysButton(), themeButton());
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  document.addEventListener("click", (event) => {
    // A link to the present address still leads to its section.
    const link = event.target.closest?.("a[href^='#']");
    if (link?.getAttribute("href") === location.hash) route();
  });
  addEventListener("popstate", () => route());
  await painted(); // the verdict in the shell is shown before anything else happens
  await loadPalettes();
  await route();
  document.documentElement.dataset.ready = "";
}

start().catch((error) => replace(main, errorPage(error)));
