/** What charts and save menus look like; colours and fonts are those of the page. */

const STYLE = `
.chart { min-width: 0; margin: 0; }
.chart-head { display: flex; align-items: flex-start; justify-content: space-between; gap: .75rem; min-height: 1.6rem; }
.chart-title { margin: 0; font-size: .875rem; font-weight: 600; line-height: 1.4; }
.chart-plot { contain: inline-size; overflow: hidden; position: relative; }
.chart-plot .main-svg { overflow: hidden; }
.chart-note { margin: .35rem 0 0; font-size: .8125rem; line-height: 1.45; color: var(--faint, #62626a); max-width: 70ch; }
.chart [hidden], .chart-choices[hidden] { display: none !important; }
.chart-choices { display: flex; flex-wrap: wrap; gap: .5rem 1rem; margin: .25rem 0 .5rem; font-size: .8125rem; }
.chart-choices label { display: inline-flex; align-items: center; gap: .4rem; color: var(--faint, #62626a); }
.chart-choices select { font: inherit; color: var(--ink, #1c1c1e); background: var(--paper, #fff); border: 1px solid var(--line, #d8d8dc); border-radius: 4px; padding: .2rem .4rem; max-width: 16rem; }
.torus-beside { display: grid; grid-template-columns: minmax(0, 1fr) 15rem; gap: 1.25rem; align-items: start; }
@container (max-width: 640px) { .torus-beside { grid-template-columns: minmax(0, 1fr); } }
.torus { container-type: inline-size; }
.torus dl { margin: 0; font-size: .8125rem; font-variant-numeric: tabular-nums; }
.torus dt { color: var(--faint, #62626a); margin-top: .55rem; }
.torus dd { margin: 0; font-size: .9375rem; }
.torus-verdict { margin: 0; font-size: .9375rem; line-height: 1.45; }
.save-menu { position: relative; flex: none; margin-left: auto; font-size: .75rem; }
.save-button, .save-list button { font: inherit; color: var(--faint, #62626a); background: none; border: 1px solid transparent; border-radius: 4px; padding: .15rem .45rem; cursor: pointer; }
.save-button { border-color: var(--line, #d8d8dc); }
.save-button:hover, .save-button[aria-expanded="true"], .save-list button:hover { color: var(--ink, #1c1c1e); background: var(--card, #f6f6f8); }
.save-list { position: absolute; right: 0; top: calc(100% + 2px); z-index: 30; display: grid; min-width: 8rem; padding: .25rem; background: var(--paper, #fff); border: 1px solid var(--line, #d8d8dc); border-radius: 6px; box-shadow: 0 4px 14px rgb(0 0 0 / .14); }
.save-list[hidden] { display: none; }
.save-list button { text-align: left; padding: .35rem .5rem; }
.save-said { position: absolute; right: 0; top: calc(100% + 2px); white-space: nowrap; color: var(--faint, #62626a); background: var(--paper, #fff); }
@media (pointer: coarse) { .save-button { padding: .45rem .7rem; } .save-list button { padding: .6rem .7rem; } }
@media print {
  .save-menu, .chart-choices, .chart-webgl .chart-plot, .modebar { display: none !important; }
  .chart { break-inside: avoid; }
  .chart-plot { height: auto !important; contain: none; }
  .chart-plot .svg-container { max-width: 100%; height: auto !important; }
  .chart-plot .main-svg { max-width: 100%; height: auto; }
  .chart-plot .main-svg:first-of-type { position: relative !important; }
}`;
let styled = false;

/** Adds the rules to the page, once, before its own, which may overrule them. */
export function styleCharts() {
  if (styled) return;
  styled = true;
  const sheet = document.createElement("style");
  sheet.textContent = STYLE;
  document.head.prepend(sheet);
}
