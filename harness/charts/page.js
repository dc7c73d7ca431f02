// Draws the charts of a page, each when it comes into view, and all of them before the page is printed.
const theme = __THEME__;
const waiting = new Set(document.querySelectorAll("figure.chart"));

function live(spec, place) {
  // a width in pixels is that of the file; here a chart is as wide as the page lets it be
  if (typeof spec.width !== "number") return spec;
  if (spec.usermeta && spec.usermeta.widest) place.style.maxWidth = spec.usermeta.widest + "px";
  return { ...spec, width: "container", autosize: { type: "fit-x", contains: "padding" } };
}

function draw(figure) {
  const place = figure.querySelector(".vega");
  if (!waiting.has(figure) || !place.clientWidth) return; // in a closed fold there is no width yet
  waiting.delete(figure);
  seen.unobserve(figure);
  const spec = JSON.parse(figure.querySelector("script").textContent);
  vegaEmbed(place, live(spec, place), {
    mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false, config: theme,
    tooltip: { disableDefaultStyle: true },
  }).then(() => figure.classList.add("drawn"), (error) => { place.textContent = `This chart cannot be shown: ${error}`; });
}

const seen = new IntersectionObserver(
  (entries) => entries.forEach((entry) => { if (entry.isIntersecting) draw(entry.target); }),
  { rootMargin: "300px" },
);
waiting.forEach((figure) => seen.observe(figure));
window.addEventListener("beforeprint", () => waiting.forEach(draw));
window.addEventListener("load", function rest() { // what is further down, while nobody waits
  const idle = window.requestIdleCallback || ((call) => setTimeout(call, 200));
  idle(() => {
    const next = [...waiting].find((figure) => figure.querySelector(".vega").clientWidth);
    if (next) { draw(next); rest(); }
  });
});
