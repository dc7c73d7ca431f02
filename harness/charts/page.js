// Draws the charts of a page, each when it comes into view, and all of them before the page is printed.
const theme = __THEME__;
const waiting = new Set(document.querySelectorAll("figure.chart"));

function live(spec, place) {
  // a width in pixels is that of the file; here a chart is as wide as the page lets it be
  if (typeof spec.width !== "number") return spec;
  const { widest, narrowest } = spec.usermeta || {};
  if (widest) place.style.maxWidth = `${widest}px`;
  if (narrowest > place.clientWidth) { // a narrow page scrolls it
    place.style.setProperty("--narrowest", `${narrowest}px`);
    return { ...spec, width: narrowest, autosize: { type: "fit-x", contains: "padding" } };
  }
  return { ...spec, width: "container", autosize: { type: "fit-x", contains: "padding" } };
}

function placeOf(figure) {
  return figure.querySelector(".vega");
}

function draw(figure) {
  const place = placeOf(figure);
  if (!waiting.has(figure) || !place.clientWidth) return; // in a closed fold there is no width yet
  waiting.delete(figure);
  seen.unobserve(figure);
  const options = {
    mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false, config: theme,
    tooltip: { disableDefaultStyle: true }, logLevel: 1, // errors alone: a layer may well be empty
  };
  const spec = live(JSON.parse(figure.querySelector("script").textContent), place);
  vegaEmbed(place, spec, options).then(
    () => figure.classList.add("drawn"),
    (error) => { place.textContent = `This chart cannot be shown: ${error}`; },
  );
}

function drawTheRest() { // further down, while nobody waits
  const idle = window.requestIdleCallback || ((call) => setTimeout(call, 200));
  idle(() => {
    const next = [...waiting].find((figure) => placeOf(figure).clientWidth);
    if (next) { draw(next); drawTheRest(); }
  });
}

const seen = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)),
  { rootMargin: "300px" },
);
waiting.forEach((figure) => seen.observe(figure));
if (waiting.size) {
  const hint = document.createElement("p");
  hint.className = "reading";
  hint.textContent = __READING__;
  [...waiting][0].append(hint);
}
window.addEventListener("beforeprint", () => waiting.forEach(draw));
drawTheRest();
