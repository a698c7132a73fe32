/** When charts are drawn: near the window first, the others while nothing else happens, all again when width or colours change. */

const PATIENCE_MS = 1500;
const frames = new Set();
const byBox = new WeakMap();
let queue = Promise.resolve();
let watching = false;

const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) first(byBox.get(target));
  },
  { rootMargin: "500px" },
);

const sizes = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const frame = byBox.get(target.parentElement);
    if (!frame || frame.printing || frame.state !== "drawn" || contentRect.width < 1) continue;
    if (Math.abs(contentRect.width - frame.width) > 1) again(frame);
  }
});

/**
 * Takes care of a chart from now on.
 * @param {object} frame of chart-frame.js
 * @returns {{again: (frame: object) => void, end: (frame: object) => void}}
 */
export function startFrames(frame) {
  for (const other of frames) {
    // A page that was left without destroy(): its pictures go, its charts come back with it.
    if (other.box.isConnected) continue;
    other.rest();
    frames.delete(other);
  }
  byBox.set(frame.box, frame);
  frames.add(frame);
  near.observe(frame.box);
  sizes.observe(frame.plot);
  setTimeout(whenIdle, PATIENCE_MS); // The page comes first, and what is near the window.
  return { again, end };
}

/** One chart after the other, with time for the page between two. */
function enqueue(job) {
  queue = queue
    .then(job)
    .catch(() => {})
    .then(() => new Promise((resolve) => setTimeout(resolve)));
}

function first(frame) {
  if (!frame || frame.state !== "waiting") return;
  frames.add(frame);
  enqueue(() => (frame.state === "waiting" ? frame.draw() : null));
  whenIdle();
}

/** Draws again: once, however often it was asked for meanwhile; what is not drawn yet waits until it is near the window. */
function again(frame) {
  if (frame.state === "waiting") {
    near.unobserve(frame.box); // To be told anew whether it is.
    near.observe(frame.box);
    return;
  }
  if (frame.due) return;
  frame.due = true;
  enqueue(() => {
    frame.due = false;
    return frame.state === "gone" || frame.printing ? null : frame.draw();
  });
}

function end(frame) {
  frames.delete(frame);
  near.unobserve(frame.box);
  sizes.unobserve(frame.plot);
}

/** The charts further down, so that they are there when somebody prints. */
function whenIdle() {
  if (watching) return;
  watching = true;
  const next = () => {
    const frame = [...frames].find((f) => f.state === "waiting" && !f.nothing && !f.tried && f.box.isConnected && f.plot.clientWidth);
    if (!frame) {
      watching = false;
      return;
    }
    frame.tried = true;
    enqueue(() => (frame.state === "waiting" ? frame.draw() : null));
    queue.then(() => later(next));
  };
  later(next);
}

const later = (job) => (globalThis.requestIdleCallback ? requestIdleCallback(job, { timeout: 2000 }) : setTimeout(job, 200));

const repaint = () => frames.forEach((frame) => frame.state === "drawn" && again(frame));
document.addEventListener("gridcode:theme", repaint);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
addEventListener("beforeprint", () => frames.forEach((frame) => frame.beforePrint()));
addEventListener("afterprint", () => frames.forEach((frame) => frame.afterPrint()));
