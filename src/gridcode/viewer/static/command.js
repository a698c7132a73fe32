/** A command to copy, and where to run it. */

import { h } from "gridcode/dom.js";

/** The command of a document, {command, where}, with a button that copies it. */
export function commandLine({ command, where }, label = "") {
  const code = h("code", command);
  const button = h("button.quiet.copy", { "aria-label": `Copy ${command}` }, "Copy");
  const said = h("span.faint", { role: "status" });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
      said.textContent = "copied";
    } catch {
      // Browsers have a clipboard only for pages of this machine or with https.
      getSelection().selectAllChildren(code);
      said.textContent = "selected: copy it with the keyboard";
    }
    setTimeout(() => (said.textContent = ""), 4000);
  });
  return h(
    "div.command",
    label && h("strong", label),
    h("span.command-text", code, button, said),
    h("span.faint.command-where", `run it ${where}`),
  );
}
