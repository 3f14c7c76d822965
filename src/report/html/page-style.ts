/** The style sheet of every page: light and dark by the reader's system or by choice, and black on white on paper. */
export const pageStyle = `
:root { color-scheme: light dark; --back: #fff; --fore: #1b1f24; --muted: #57606a; --line: #d0d7de; --panel: #f6f8fa;
  --accent: #0a53be; --test: #953800; --won: #116329; --lost: #a40e26; --won-back: #dafbe1; --lost-back: #ffebe9; }
@media (prefers-color-scheme: dark) { :root:not([data-theme=light]) { --back: #0f1419; --fore: #e6edf3; --muted: #9da7b3; --line: #3d444d;
  --panel: #171d24; --accent: #79b8ff; --test: #ffab70; --won: #56d364; --lost: #ff8e86; --won-back: #12351f; --lost-back: #471d1b; } }
:root[data-theme=dark] { color-scheme: dark; --back: #0f1419; --fore: #e6edf3; --muted: #9da7b3; --line: #3d444d;
  --panel: #171d24; --accent: #79b8ff; --test: #ffab70; --won: #56d364; --lost: #ff8e86; --won-back: #12351f; --lost-back: #471d1b; }
:root[data-theme=light] { color-scheme: light; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--back); color: var(--fore); font: 16px/1.5 system-ui, sans-serif; }
header, main, footer { max-width: 1100px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 20px; }
h1 { font-size: 1.6rem; margin: 0 0 4px; } h2 { font-size: 1.25rem; margin: 40px 0 12px; border-bottom: 1px solid var(--line); padding-bottom: 4px; }
h3 { font-size: 1rem; margin: 20px 0 8px; }
nav { position: sticky; top: 0; background: var(--back); border-bottom: 1px solid var(--line); z-index: 1; }
nav > div { max-width: 1100px; margin: 0 auto; padding: 8px 20px; display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; }
section { scroll-margin-top: 64px; } details { scroll-margin-top: 64px; margin: 6px 0; } summary { cursor: pointer; padding: 2px 0; }
a { color: var(--accent); } td code { white-space: nowrap; } code, pre { font: .875rem/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre, .text { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 8px 10px; white-space: pre-wrap; overflow-wrap: anywhere; margin: 4px 0; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -999px; } .skip:focus { left: 8px; top: 8px; background: var(--back); padding: 8px; z-index: 2; }
.muted { color: var(--muted); } .warning { border-left: 4px solid var(--test); padding: 4px 12px; background: var(--panel); overflow-wrap: anywhere; }
.verdict { font-size: 1.1rem; } .tag { font-size: .75rem; border: 1px solid currentColor; border-radius: 10px; padding: 0 8px; white-space: nowrap; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; } caption { text-align: left; color: var(--muted); padding: 4px 0; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; } tr.chosen > * { background: var(--panel); font-weight: 600; }
.number { font-variant-numeric: tabular-nums; white-space: nowrap; } th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-decoration: underline dotted; }
th[aria-sort=ascending] button::after { content: " ▲"; } th[aria-sort=descending] button::after { content: " ▼"; }
figure { margin: 12px 0; } figcaption { color: var(--muted); font-size: .875rem; }
.chart { width: 100%; height: auto; max-width: 760px; display: block; } .chart text { fill: var(--muted); font: 12px system-ui, sans-serif; }
.chart .grid { stroke: var(--line); } .chart .val { stroke: var(--accent); stroke-width: 2; fill: var(--accent); } .chart .thin { stroke-width: 1; opacity: .45; }
.chart .test { stroke: var(--test); stroke-width: 2; fill: var(--test); } .chart .way { fill: none; stroke: var(--accent); stroke-width: 1.5; } .chart .best { fill: none; stroke: var(--won); stroke-width: 2; }
ins { background: var(--won-back); color: var(--fore); text-decoration: underline; } del { background: var(--lost-back); color: var(--fore); text-decoration: line-through; }
.won { color: var(--won); } .lost { color: var(--lost); }
.controls { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; margin: 8px 0; }
input, select, .button { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--muted); border-radius: 6px; padding: 3px 8px; }
.flip { border: 1px solid var(--line); border-radius: 8px; padding: 4px 14px 12px; margin: 10px 0; } .flip h3 { margin: 8px 0; }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; } .sides p { margin: 8px 0 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 6px 0; } dt { color: var(--muted); } dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
footer { margin-top: 48px; padding-bottom: 32px; color: var(--muted); font-size: .875rem; }
@media (max-width: 640px) { .sides, dl { grid-template-columns: 1fr; } }
@media print { :root:root { color-scheme: light; --back: #fff; --fore: #000; --muted: #444; --line: #bbb; --panel: #fff; --accent: #0a53be; --test: #953800; --won: #116329; --lost: #a40e26; --won-back: #fff; --lost-back: #fff; }
  nav, .controls, .skip { display: none !important; } .flip, figure, tr { break-inside: avoid; } .scroll { overflow: visible; } }
`;
