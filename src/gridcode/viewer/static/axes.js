/** The layout that all charts share, and parts of charts. */

import { through } from "gridcode/colours.js";

const CLEAR = "rgba(0,0,0,0)";

/** Text from a file for Plotly, which would read it as markup. */
export const plain = (text) =>
  String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

/** A complete layout in the look of the page; a title is part of saved pictures only. */
export function layoutOf({ data, layout, height }, look, width, title = "") {
  const font = { family: look.font, size: 12, color: look.ink };
  const named = data.filter((trace) => trace.name && trace.showlegend !== false);
  const legend = layout.showlegend ?? named.length > 1;
  const letters = named.reduce((sum, { name }) => sum + 60 + 6.2 * name.length, 0);
  const room = legend ? 20 * Math.ceil(letters / Math.max(200, width - 70)) : 0;
  const top = (title ? 36 : 10) + room;
  return {
    width,
    height: height + top,
    margin: { l: 58, r: 16, t: top, b: 48 },
    title: { text: title },
    uirevision: "kept", // zoom and hidden series outlive new numbers and colours
    // On a touch screen a finger that moves over a chart scrolls the page.
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    template: { layout: template(look, font) },
    ...structuredClone(layout),
    showlegend: legend,
  };
}

function template(look, font) {
  const axis = {
    tickfont: { size: 11, color: look.faint },
    title: { standoff: 8, font: { size: 12 } },
    linecolor: look.faint,
    showline: true,
    ticks: "outside",
    ticklen: 4,
    tickcolor: look.faint,
    gridcolor: through(look.line, 0.7),
    zeroline: false,
    tickangle: 0,
    exponentformat: "power",
    automargin: true,
  };
  return {
    paper_bgcolor: CLEAR,
    plot_bgcolor: CLEAR,
    font,
    title: { x: 0, xref: "paper", y: 1, yanchor: "top", pad: { t: 12 }, font: { size: 15 } },
    xaxis: axis,
    yaxis: axis,
    hovermode: "closest",
    hoverlabel: { bgcolor: look.card, bordercolor: look.line, font, align: "left", namelength: -1 },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", bgcolor: CLEAR, font: { size: 11 } },
    modebar: { bgcolor: CLEAR, color: look.faint, activecolor: look.ink },
    shapedefaults: { line: { color: look.faint, width: 1 } },
    annotationdefaults: { showarrow: false, font: { size: 11, color: look.faint } },
  };
}

/** An axis with a title that names its unit. */
export const axis = (title, more = {}) => ({ title: { text: title }, ...more });

/** A straight line between two points; where x or y is not given, across the whole plot. */
export const reference = ({ x, y, dash = "dash", ...line }) => ({
  type: "line",
  ...(x ? { x0: x[0], x1: x[1] } : { x0: 0, x1: 1, xref: "paper" }),
  ...(y ? { y0: y[0], y1: y[1] } : { y0: 0, y1: 1, yref: "paper" }),
  line: { dash, ...line },
});

/** A curve; `more` adds to it, or replaces parts. */
export const curve = (x, y, { color, width = 1.7, dash = "solid", ...more }) => ({
  x,
  y,
  mode: "lines",
  line: { color, width, dash },
  ...more,
});
