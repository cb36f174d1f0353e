"""The frame of a self-contained HTML page with linked charts: styles, scripts, nothing fetched."""

from __future__ import annotations

import json
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

import vl_convert

from emotion_core.reporting.dashboard import PLANE_PX, PLANE_ROOM_PX
from emotion_core.reporting.photo_charts import ScriptJson, vegalite_release
from emotion_core.reporting.timeline_layers import ROOM_PX

if TYPE_CHECKING:
    from altair.typing import ChartType

_STYLE = """
:root { color-scheme: light dark; --paper: #fdfcfa; --ink: #1b2423; --faint: #57635f;
  --line: #d9dedb; --panel: #f1f3f0; --alarm: #8f1d18; --accent: #0f6e66; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171c; --ink: #e7ecea; --faint: #a3aeab;
  --line: #333b43; --panel: #1e242a; --alarm: #ff9a92; --accent: #6fd3c8; } }
@media print { :root { --paper: #fff; --ink: #000; --faint: #444; --line: #bbb; --panel: #fff;
  --alarm: #8f1d18; --accent: #0f6e66; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
h1, h2 { font-family: Georgia, "Times New Roman", serif; line-height: 1.2; font-weight: 600;
  overflow-wrap: anywhere; }
h1 { font-size: 1.9rem; margin: 0 0 1rem; }
h2 { font-size: 1.35rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
p, ul { max-width: 46rem; margin: .5rem 0; }
.faint { color: var(--faint); font-size: .9rem; }
.fault { border-left: 4px solid var(--alarm); padding: .5rem .9rem; background: var(--panel); }
dl.facts { display: grid; grid-template-columns: repeat(4, 1fr); gap: .5rem; margin: 0; }
@media (max-width: 760px) { dl.facts { grid-template-columns: repeat(2, 1fr); } }
dl.facts div { background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
  padding: .5rem .75rem; }
dt { color: var(--faint); font-size: .8rem; }
dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .55rem; font-size: .95rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
thead th { color: var(--faint); font-size: .8rem; font-weight: 600; vertical-align: bottom; }
th:first-child, td.words, th.words { text-align: left; }
.bar { display: flex; height: .8rem; width: 9rem; border-radius: 3px; overflow: hidden;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.people { display: flex; flex-wrap: wrap; gap: 0 3rem; }
.moments { display: grid; grid-template-columns: repeat(3, minmax(0, 128px)); gap: .8rem; }
figure { margin: 0; break-inside: avoid; }
figure img { width: 100%; height: auto; border-radius: 8px; display: block; }
figcaption { font-size: .8rem; line-height: 1.35; margin-top: .3rem; }
figcaption b { display: block; }
#charts { overflow-x: auto; min-height: 1rem; }
#charts.vega-embed { display: block; padding-right: 0; width: 100%; }
#charts.dark { background: #14171c; print-color-adjust: exact;
  -webkit-print-color-adjust: exact; }
"""

_SCRIPT = """
const spec = JSON.parse(document.getElementById("spec").textContent);
const box = document.getElementById("charts");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const look = (ink, faint, line, paper) => ({
  background: paper, font: "system-ui, Segoe UI, Roboto, Arial, sans-serif",
  axis: {labelColor: ink, titleColor: faint, domainColor: line, tickColor: line,
         labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal"},
  legend: {labelColor: ink, titleColor: faint, labelFontSize: 12, titleFontWeight: "normal"},
  text: {color: faint}, title: {color: ink, fontSize: 13, anchor: "start"}, view: {stroke: null}});
let view = null, drawn = 0, turn = 0;
async function draw() {
  const width = Math.max(300, box.clientWidth), mine = ++turn;
  drawn = width;
  spec.vconcat.forEach((part) => {
    if (part.concat) { part.columns = Math.max(1, Math.floor(width / PLANE)); }
    else { part.width = width - ROOM; }
  });
  const config = dark.matches ? look("#e7ecea", "#a3aeab", "#4a545d", "#14171c")
                              : look("#1b2423", "#57635f", "#b5bdb9", null);
  const made = await vegaEmbed(box, spec, {config, mode: "vega-lite", renderer: "canvas",
    tooltip: {theme: dark.matches ? "dark" : "light"}, actions: false});
  if (mine !== turn) { made.finalize(); return; }
  if (view) { view.finalize(); }
  view = made;
  box.classList.toggle("dark", dark.matches);
}
let timer = 0;
const later = () => { clearTimeout(timer); timer = setTimeout(draw, 150); };
new ResizeObserver(() => { if (Math.abs(box.clientWidth - drawn) > 4) { later(); } }).observe(box);
dark.addEventListener("change", later);
"""

_POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' 'unsafe-eval'"
)
"""What the page may load, as browsers enforce it: nothing from anywhere."""


def html_page(title: str, body: str, charts: ChartType | None) -> str:
    """A whole page.

    Args:
        title: Plain text.
        body: HTML; where there are charts, with an element of id ``charts`` to draw them in.
        charts: A dashboard, drawn as wide as the page and in its colours; ``None`` for none.
    """
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
    ]
    scripts = [] if charts is None else _scripts(charts)
    lines = ["<!DOCTYPE html>", '<html lang="en">', "<head>", *head, "</head>", "<body>", body]
    return "\n".join([*lines, *scripts, "</body>", "</html>", ""])


def _scripts(charts: ChartType) -> list[str]:
    spec = json.dumps(charts.to_dict(validate=False), cls=ScriptJson)
    script = _SCRIPT.replace("PLANE", str(PLANE_PX + PLANE_ROOM_PX))
    return [
        f'<script type="application/json" id="spec">{spec}</script>',
        f"<script>{vega_script()}</script>",
        f"<script>{script.replace('ROOM', str(ROOM_PX))}</script>",
    ]


@lru_cache(maxsize=1)
def vega_script() -> str:
    """Vega, Vega-Lite and vega-embed in the version that Altair writes for, as one script."""
    start = "window.vegaEmbed = vegaEmbed;"
    bundle: str = vl_convert.javascript_bundle(start, vegalite_release())
    return bundle
