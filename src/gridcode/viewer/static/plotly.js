/** Plotly, from inside a self-contained page or from the server; loaded when a chart needs it. */

import { gunzip } from "gridcode/decode.js";

let loading = null;

/** The library, loaded once. */
export function plotly() {
  loading ??= load().catch((error) => {
    loading = null; // a server that was away may be back for the next chart
    throw error;
  });
  return loading;
}

async function load() {
  const packed = document.getElementById("plotly-gz")?.textContent.trim();
  if (!packed) return run("static/plotly.min.js");
  const blob = new Blob([await gunzip(packed)], { type: "text/javascript;charset=utf-8" });
  return run(URL.createObjectURL(blob));
}

function run(src) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = src;
    script.onload = () => resolve(globalThis.Plotly);
    script.onerror = () => reject(new Error("the plotting library could not be loaded"));
    document.head.append(script);
  });
}
