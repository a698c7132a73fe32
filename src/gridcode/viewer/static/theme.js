/** Light or dark: the system's choice until somebody chooses here. Pictures that hold colours of the page listen to `gridcode:theme`. */

import { h } from "gridcode/dom.js";

const KEY = "gridcode-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

/** Applies what was remembered, follows the system, and turns to light for printing. */
export function startTheme() {
  apply(remembered());
  dark.addEventListener("change", announce);
  let before = null;
  addEventListener("beforeprint", () => {
    before = root.dataset.theme ?? null;
    apply("light");
  });
  addEventListener("afterprint", () => apply(before));
}

/** The button that turns one into the other. */
export function themeButton() {
  const button = h("button", { type: "button", class: "quiet theme" });
  const name = () => {
    const next = isDark() ? "light" : "dark";
    button.textContent = next === "dark" ? "Dark" : "Light";
    button.setAttribute("aria-label", `Change to ${next} colours`);
  };
  button.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    apply(next);
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // Not allowed in some browsers on pages from files: the choice lasts as long as the page.
    }
  });
  document.addEventListener("gridcode:theme", name);
  name();
  return button;
}

const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);

function apply(theme) {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  announce();
}

function announce() {
  document.dispatchEvent(new CustomEvent("gridcode:theme", { detail: { dark: isDark() } }));
}

function remembered() {
  try {
    const found = localStorage.getItem(KEY);
    return found === "dark" || found === "light" ? found : null;
  } catch {
    return null;
  }
}
