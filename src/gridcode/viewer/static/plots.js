/**
 * Plotly, loaded when the first chart needs it, and the look that all charts share on light and dark pages.
 */

const CLEAR = "rgba(0,0,0,0)";

/** The look of saved and printed pictures, whatever the page looks like. */
export const PRINTED = {
  ink: "#1c1c1e",
  faint: "#62626a",
  line: "#dcdce0",
  paper: "#ffffff",
  card: "#f6f6f8",
  dark: false,
  font: "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif",
};
const DARK = { ...PRINTED, ink: "#ececf0", faint: "#a6a6ae", line: "#3a3a40", paper: "#161618", card: "#202024", dark: true };

let loading = null;

/**
 * The Plotly library: from inside a self-contained page, else from the server. Loaded once, on first need.
 * @returns {Promise<object>} the global `Plotly`
 */
export function plotly() {
  loading ??= load().catch((error) => {
    loading = null; // A server that was away for a moment may be back for the next chart.
    throw error;
  });
  return loading;
}

/** Plotly if it is loaded already, else null: printing cannot wait. */
export function plotlyNow() {
  return globalThis.Plotly ?? null;
}

async function load() {
  if (globalThis.Plotly) return globalThis.Plotly;
  const packed = document.getElementById("plotly-gz")?.textContent.trim();
  if (!packed) return run(new URL("static/plotly.min.js", document.baseURI).href);
  const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  const text = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
  const url = URL.createObjectURL(new Blob([await text.arrayBuffer()], { type: "text/javascript;charset=utf-8" }));
  try {
    return await run(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

function run(url) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => (globalThis.Plotly ? resolve(globalThis.Plotly) : reject(new Error("the plotting library did not start")));
    script.onerror = () => {
      script.remove();
      reject(new Error("the plotting library could not be loaded"));
    };
    document.head.append(script);
  });
}

/**
 * Colours and fonts that the page gives an element, from its CSS variables.
 * @param {Element} element
 * @returns {typeof PRINTED}
 */
export function lookOf(element) {
  const style = getComputedStyle(element);
  const known = {};
  for (const name of ["ink", "faint", "line", "paper", "card"]) {
    const value = style.getPropertyValue(`--${name}`).trim();
    if (value) known[name] = asRgb(value, element);
  }
  const ground = known.paper ? luminance(known.paper) < 0.3 : matchMedia("(prefers-color-scheme: dark)").matches;
  return { ...(ground ? DARK : PRINTED), ...known, dark: ground, font: style.fontFamily || PRINTED.font };
}

/** Any CSS colour as rgb(), which Plotly reads; newer notations such as oklch() or light-dark() it does not. */
function asRgb(colour, element) {
  if (/^#[0-9a-f]{3,8}$/i.test(colour)) return colour;
  const probe = document.createElement("span");
  probe.style.color = colour;
  element.append(probe);
  const computed = getComputedStyle(probe).color;
  probe.remove();
  if (computed.startsWith("rgb")) return computed;
  const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
  context.fillStyle = computed;
  context.fillRect(0, 0, 1, 1);
  return `rgb(${[...context.getImageData(0, 0, 1, 1).data].slice(0, 3).join(", ")})`;
}

/** The same colour, let through by a share. */
export function through(colour, share) {
  return `rgba(${parts(colour).join(", ")}, ${share})`;
}

function luminance(colour) {
  const [r, g, b] = parts(colour);
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}

/** A series' colour as text of that colour: dark enough on light paper, light enough on dark. */
export function readable(colour, look) {
  const [toward, share] = look.dark ? [255, 0.45] : [0, 0.2];
  return `rgb(${parts(colour)
    .map((part) => Math.round(part + (toward - part) * share))
    .join(", ")})`;
}

/** Red, green and blue of a colour in hexadecimal or as rgb(). */
function parts(colour) {
  if (!colour.startsWith("#")) return (colour.match(/[\d.]+/g) ?? [255, 255, 255]).slice(0, 3).map(Number);
  const pairs = colour.length < 6 ? [...colour.slice(1, 4)].map((digit) => digit + digit) : colour.slice(1, 7).match(/../g);
  return pairs.map((pair) => parseInt(pair, 16));
}

/**
 * The layout all charts start from.
 * @param {typeof PRINTED} look
 */
export function baseLayout(look) {
  const text = { family: look.font, size: 12, color: look.ink };
  // On a touch screen a finger that moves over a chart scrolls the page.
  const touch = matchMedia("(pointer: coarse)").matches;
  return {
    paper_bgcolor: CLEAR,
    plot_bgcolor: CLEAR,
    font: text,
    margin: { l: 58, r: 16, t: 10, b: 48 },
    hovermode: "closest",
    dragmode: touch ? false : "zoom",
    hoverlabel: { bgcolor: look.card, bordercolor: look.line, font: text, align: "left", namelength: -1 },
    legend: {
      orientation: "h",
      x: 0,
      xanchor: "left",
      y: 1.02,
      yanchor: "bottom",
      bgcolor: CLEAR,
      font: { size: 11, color: look.ink },
      itemsizing: "trace",
      tracegroupgap: 0,
    },
    modebar: { bgcolor: CLEAR, color: look.faint, activecolor: look.ink },
    uirevision: "kept",
  };
}

/** What Plotly is told about its surroundings. */
export const CONFIG = {
  displaylogo: false,
  // Plotly would offer to send the chart and its numbers to a server of its own.
  showSendToCloud: false,
  plotlyServerURL: "",
  displayModeBar: "hover",
  responsive: false, // The chart's frame watches its own width, which also changes when the window's does not.
  doubleClick: "reset",
  showTips: false,
  modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "autoScale2d", "toggleSpikelines", "hoverClosestCartesian", "hoverCompareCartesian"],
};

/**
 * One axis with a title that names its unit.
 * @param {typeof PRINTED} look
 * @param {string} title
 * @param {object} [more] further settings of the axis
 */
export function axis(look, title, more = {}) {
  return {
    title: { text: title, standoff: 8, font: { size: 12, color: look.ink } },
    color: look.ink,
    tickfont: { size: 11, color: look.faint },
    linecolor: look.faint,
    linewidth: 1,
    showline: true,
    ticks: "outside",
    ticklen: 4,
    tickcolor: look.faint,
    gridcolor: through(look.line, 0.7),
    gridwidth: 1,
    zeroline: false,
    tickangle: 0,
    automargin: true,
    ...more,
  };
}
