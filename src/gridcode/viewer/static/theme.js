/** Light or dark: the system's choice until the reader's. Pictures follow `gridcode:theme`. */

import { h } from "gridcode/dom.js";

const KEY = "gridcode-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

/** Whether the page is dark now. */
export const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

/** Applies the remembered choice, follows the system, and turns to light for printing. */
export function startTheme() {
  apply(stored());
  system.addEventListener("change", announce);
  let before = null;
  addEventListener("beforeprint", () => {
    before = root.dataset.theme ?? null;
    apply("light");
  });
  addEventListener("afterprint", () => apply(before));
}

/** The button that changes between light and dark. */
export function themeButton() {
  const button = h("button.quiet.theme", { onclick: () => apply(stored(next())) });
  const next = () => (isDark() ? "light" : "dark");
  const label = () => {
    button.textContent = next() === "dark" ? "Dark" : "Light";
    button.setAttribute("aria-label", `Change to ${next()} colours`);
  };
  document.addEventListener("gridcode:theme", label);
  label();
  return button;
}

function apply(theme) {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  announce();
}

const announce = () => document.dispatchEvent(new Event("gridcode:theme"));

/** The choice that is remembered, after remembering a new one. */
function stored(theme) {
  try {
    if (theme) localStorage.setItem(KEY, theme);
    return localStorage.getItem(KEY);
  } catch {
    return theme; // some browsers forbid it to pages from files
  }
}
