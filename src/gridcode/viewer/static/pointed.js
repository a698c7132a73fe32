/** Place and rate under the pointer, on every rate map of the page. */

import { binAt } from "gridcode/canvas.js";
import { h } from "gridcode/dom.js";
import { known, metres, short } from "gridcode/format.js";

const shown = new WeakMap(); // canvas: {drawn, describe}
// A popover lies above dialogs, too.
const tip = h("div.pointer-tip", { popover: "manual", "aria-hidden": "true" });
let canvas = null; // the one that the pointer is on

/** Words for a bin of a rate map: its middle in metres from the lower left corner, and the rate. */
export const placeText =
  ({ binM, unit = "", left = 0, bottom = 0 }) =>
  ({ column, row, value }) => {
    const [x, y] = [left + column, bottom + row].map((bin) => metres((bin + 0.5) * binM));
    return `x ${x}, y ${y}: ${known(value) ? `${short(value)} ${unit}`.trim() : "not visited"}`;
  };

/** Shows beside the pointer what `describe` says of the bin below it on a canvas. */
export function pointable(element, drawn, describe) {
  shown.set(element, { drawn, describe });
}

function follow(event) {
  const found = shown.get(event.target);
  const bin = found && binAt(event.target, found.drawn, event);
  if (!bin) return hide();
  canvas = event.target;
  tip.textContent = found.describe(bin);
  if (!tip.isConnected) document.body.append(tip);
  if (!tip.matches(":popover-open")) tip.showPopover();
  const above = event.clientY > 80 ? event.clientY - tip.offsetHeight - 14 : event.clientY + 24;
  const most = innerWidth - tip.offsetWidth - 4;
  tip.style.left = `${Math.max(4, Math.min(event.clientX - tip.offsetWidth / 2, most))}px`;
  tip.style.top = `${above}px`;
}

function hide() {
  canvas = null;
  if (tip.matches(":popover-open")) tip.hidePopover();
}

document.addEventListener("pointermove", follow);
document.addEventListener("pointerdown", follow); // a finger that taps does not move
document.addEventListener("scroll", hide, { capture: true, passive: true });
document.addEventListener("pointerout", (event) => event.pointerType === "mouse" && hide());
document.addEventListener("click", () => canvas?.isConnected || hide());
