/** A chart as a file: its picture on white paper under its title, which on the page is text beside it. */

import { PRINTED } from "gridcode/plots.js";

const ROOM = 34;
const INDENT = 14;
const SIZE = 15;
const SCALE = 2;

/**
 * Draws a figure without putting it on the page.
 * @param {object} Plotly
 * @param {{data: object[], layout: {width: number, height: number}}} figure
 * @param {"png"|"svg"} format
 * @param {string} title above it; "" for none
 * @returns {Promise<Blob>}
 */
export async function picture(Plotly, figure, format, title) {
  const { width, height } = figure.layout;
  const url = await Plotly.toImage(figure, { format, width, height, scale: format === "svg" ? 1 : SCALE });
  return format === "svg" ? titledSvg(textOf(url), title, width, height) : titledPng(url, title, width, height);
}

/** Contents of a data: URL as text, without a request, which a strict page would forbid. */
function textOf(url) {
  const comma = url.indexOf(",");
  const body = url.slice(comma + 1);
  return url.slice(0, comma).endsWith(";base64") ? atob(body) : decodeURIComponent(body);
}

/** Height of a title's line, and letters small enough for it to fit. */
function lettering(title, width) {
  const context = document.createElement("canvas").getContext("2d");
  const font = (size) => `600 ${size}px ${PRINTED.font}`;
  context.font = font(SIZE);
  const size = Math.min(SIZE, (SIZE * (width - 2 * INDENT)) / Math.max(1, context.measureText(title).width));
  return { room: title ? ROOM : 0, size, font: font(size) };
}

function titledSvg(inner, title, width, height) {
  const { room, size } = lettering(title, width);
  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");
  const head = `<text x="${INDENT}" y="${room - 12}" fill="${PRINTED.ink}" font-family="${escaped(PRINTED.font)}" font-size="${size.toFixed(1)}" font-weight="600">${escaped(title)}</text>`;
  const moved = inner.replace(/^[\s\S]*?<svg /, `<svg y="${room}" `);
  const whole = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height + room}" viewBox="0 0 ${width} ${height + room}"><rect width="100%" height="100%" fill="${PRINTED.paper}"/>${title ? head : ""}${moved}</svg>`;
  return new Blob([whole], { type: "image/svg+xml;charset=utf-8" });
}

async function titledPng(url, title, width, height) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const { room, font } = lettering(title, width);
  const canvas = Object.assign(document.createElement("canvas"), { width: SCALE * width, height: SCALE * (height + room) });
  const context = canvas.getContext("2d");
  context.fillStyle = PRINTED.paper;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.scale(SCALE, SCALE);
  context.fillStyle = PRINTED.ink;
  context.font = font;
  if (title) context.fillText(title, INDENT, room - 12);
  context.drawImage(image, 0, room, width, height);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("this picture is too large to save");
  return blob;
}
