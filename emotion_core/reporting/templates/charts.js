const spec = JSON.parse(document.getElementById("spec").textContent);
const box = document.getElementById("charts");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const look = (ink, faint, line, paper, range) => ({
  background: paper, range, font: "system-ui, Segoe UI, Roboto, Arial, sans-serif",
  axis: {labelColor: ink, titleColor: faint, domainColor: line, tickColor: line,
         labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal"},
  legend: {labelColor: ink, titleColor: faint, labelFontSize: 12, titleFontWeight: "normal"},
  text: {color: faint}, title: {color: ink, fontSize: 13, anchor: "start"}, view: {stroke: null}});
let view = null, drawn = 0, turn = 0;
async function draw() {
  const width = Math.max(300, box.clientWidth), mine = ++turn;
  drawn = width;
  spec.vconcat.forEach((part) => {
    if (part.concat) { part.columns = Math.max(1, Math.floor(width / {{ plane_px }})); }
    else { part.width = width - {{ room_px }}; }
  });
  const config = dark.matches ? look("#e7ecea", "#a3aeab", "#4a545d", "#14171c", {{ ranges.dark }})
                              : look("#1b2423", "#57635f", "#b5bdb9", null, {{ ranges.light }});
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
