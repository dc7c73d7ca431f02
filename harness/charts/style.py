"""The one look of all charts, and the three ways in which a chart leaves the house.

A chart is drawn by one function that takes plain data and returns a `Chart`. The page shows it alive (`live`, drawn by
`page.js` in the reader's browser), Markdown shows its SVG, MLflow its PNG. In a specification colors are CSS
variables, so that a page turns dark without drawing anew; files get the light colors in their place.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from textwrap import wrap
from typing import Any, Final, Literal

import altair as alt
import vl_convert
from markupsafe import Markup

from harness.charts.vega import vega_script
from harness.errors import printable
from harness.escape import shown

BLUE: Final = "var(--blue)"
AMBER: Final = "var(--amber)"
"""Blue is validation and what is right, amber is training and what is wrong; apart for all kinds of color vision."""
INK: Final = "var(--ink)"
MUTED: Final = "var(--muted)"
LINE: Final = "var(--line)"
PAPER: Final = "var(--paper)"
HEAT_BLUE: Final = "var(--heat-blue)"
HEAT_AMBER: Final = "var(--heat-amber)"
HUES: Final = tuple(f"var(--hue-{number})" for number in range(1, 7))
"""Colors of series side by side; from the seventh series on they come again, dashed otherwise."""
DASHES: Final[Sequence[Sequence[float]]] = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3])

LIGHT: Final[Mapping[str, str]] = {
    "--paper": "#ffffff",
    "--ink": "#1d2733",
    "--muted": "#5d6975",
    "--line": "#dfe3e6",
    "--blue": "#2b6cb0",
    "--amber": "#a2560b",
    "--heat-blue": "#6ea5dc",
    "--heat-amber": "#eaa65c",
    "--hue-1": "#0b69a3",
    "--hue-2": "#c2500a",
    "--hue-3": "#0a8060",
    "--hue-4": "#b0417f",
    "--hue-5": "#76680a",
    "--hue-6": "#3a94c4",
}
"""Colors in files: those of the page in daylight, on white."""

FILE_FONT: Final = "Liberation Sans, Arial, Helvetica, sans-serif"
"""vl-convert brings its own Liberation Sans, so that texts are as wide on every machine."""
PAGE_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
HERE: Final = Path(__file__).parent
LETTER: Final = 6.9
"""Pixels of a title's letter, on average."""
HOVER: Final = "hover"
"""Names of layers and parameters that only answer a pointer begin so."""
LABEL_LIMIT: Final = 260
LAST_LATIN: Final = "\u024f"
"""Up to this letter the font that vl-convert brings has them all."""
NO_LETTER: Final = "\U0010fffd"
MOST_LETTERS: Final = 50
"""Letters that are looked for in the fonts of a machine: they are of few scripts."""
CROWDED: Final = 3
"""Times the room of the others from which on the lowest are left out of an axis."""
READING: Final = (
    "In all charts: point at a mark for its figures; click names in a legend to see these alone; with Ctrl held the "
    "wheel zooms, dragging moves, a double click shows everything again."
)
"""Stands below a page's first chart."""


def undrawn(texts: Iterable[str]) -> str:
    """Return the letters of some texts, the first ones of many, for which no font of this machine has a shape.

    They are boxes in PNG files. In a page and in SVG the reader's own fonts draw them.
    """
    letters = sorted({letter for text in texts for letter in text if letter.isalpha() and letter > LAST_LATIN})
    return "".join(each for each in letters[:MOST_LETTERS] if _letter(each) == _letter(NO_LETTER))


@lru_cache(maxsize=1024)
def _letter(letter: str) -> bytes:
    size = f'width="40" height="30" font-family="{FILE_FONT}"'
    return bytes(
        vl_convert.svg_to_png(f'<svg xmlns="http://www.w3.org/2000/svg" {size}><text y="20">{letter}</text></svg>')
    )


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite chart with its name and its words."""

    name: str
    """Stem of its file, unique in a report: `curves-small-cnn-loss`."""
    words: str
    """What it shows, for those who don't see it: the alternative text."""
    spec: Mapping[str, Any]
    """Vega-Lite JSON with data and size; colors are CSS variables, the theme comes with the way out."""
    title: str = ""
    """What stands above it."""

    def live(self) -> str:
        """Return the chart as JSON for `page.js`, safe within a script element; the page writes the title itself."""
        text = json.dumps(self.spec, ensure_ascii=False, separators=(",", ":"))
        return text.replace("<", "\\u003c")

    def svg(self) -> str:
        """Return the chart with its title as SVG text in light colors on white."""
        return _numbered(str(vl_convert.vegalite_to_svg(self._for_file())))

    def png(self, scale: float = 2.0) -> bytes:
        """Return the chart with its title as PNG, `scale` pixels for each unit of its size."""
        return bytes(vl_convert.vegalite_to_png(self._for_file(), scale=scale))

    def _for_file(self) -> dict[str, Any]:
        spec = {**_colored(_still(self.spec)), "config": _colored(theme(FILE_FONT)), "background": LIGHT["--paper"]}
        if self.title:
            width = self.spec.get("width")
            letters = int((width if isinstance(width, int | float) else 400) / LETTER)
            spec["title"] = {"text": wrap(self.title, max(24, letters + 6))}
        return spec


def finished(
    drawn: alt.TopLevelMixin,
    name: str,
    title: str,
    words: str,
    *,
    width: float,
    height: float,
    widest: float | None = None,
    narrowest: float | None = None,
) -> Chart:
    """Return a chart as a value.

    Args:
        drawn: The Altair chart, all of its parameters and views named by us: Altair numbers the others, each anew.
        name: Stem of its file.
        title: What stands above it.
        words: The alternative text.
        width: Pixels of the plot in a file; on the page it takes the width that there is.
        height: Pixels of the plot.
        widest: Pixels beyond which the page does not stretch it, axes included.
        narrowest: Pixels below which a narrow page scrolls it.
    """
    bounds = {"widest": widest, "narrowest": narrowest}
    size = {"width": width, "height": height, "usermeta": {side: round(each) for side, each in bounds.items() if each}}
    return filled(drawn.to_dict(validate=False) | size, {}, name, title, words)


def filled(
    spec: Mapping[str, Any], rows: Mapping[str, Sequence[Mapping[str, Any]]], name: str, title: str, words: str
) -> Chart:
    """Return a chart of a specification that names its data, with the rows of each.

    Altair takes tens of milliseconds for a specification, so that charts which many variants have keep theirs.
    """
    said = printable(" ".join(words.split()))
    datasets = {**spec.get("datasets", {}), **rows}
    whole = {**spec, **({"datasets": datasets} if datasets else {}), "description": said}
    return Chart(name, said, shown(whole), printable(title))


def theme(font: str) -> dict[str, Any]:
    """Return Vega-Lite's config: quiet axes, nothing smaller than 10 pixels."""
    text = {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "titleColor": MUTED}
    return {
        "font": font,
        "background": None,
        "padding": 4,
        "view": {"stroke": None},
        "axis": {
            **text,
            "labelColor": MUTED,
            "gridColor": LINE,
            "domainColor": LINE,
            "tickColor": LINE,
            "tickSize": 4,
            "labelLimit": 190,
            "labelOverlap": "greedy",
            "titlePadding": 8,
        },
        "axisXQuantitative": {"tickCount": {"expr": "ceil(width / 80)"}},
        "legend": {
            **text,
            "labelColor": INK,
            "labelLimit": LABEL_LIMIT,
            "symbolStrokeWidth": 2,
            "symbolSize": 90,
            "orient": "top",
            "direction": "horizontal",
            "offset": 8,
            "rowPadding": 3,
            "columnPadding": 14,
            "layout": {"top": {"direction": "vertical", "anchor": "start", "margin": 4}},
        },
        "title": {"anchor": "start", "color": INK, "fontSize": 13, "fontWeight": 600, "offset": 10, "frame": "bounds"},
        "mark": {"aria": False},
        "text": {"color": INK, "fontSize": 11},
        "rule": {"color": MUTED},
        "line": {"strokeJoin": "round", "strokeCap": "round"},
    }


@lru_cache(maxsize=1)
def page_script() -> str:
    """Return the JavaScript (an ES module) that shows a page's charts: Vega, Vega-Lite and `page.js` in one text.

    It takes nothing from the network and evaluates no text, so that a content policy may name its hash alone.
    """
    own = (HERE / "page.js").read_text(encoding="utf-8")
    own = own.replace("__THEME__", json.dumps(theme(PAGE_FONT))).replace("__READING__", json.dumps(READING))
    return f"{vega_script()}\n{{\n{own}\n}}".replace("</script", r"<\/script")


@lru_cache(maxsize=1)
def page_loader() -> str:
    """Return the JavaScript that a page holds in its place: `page_script` in a third of its size, and what unfolds it.

    The script that it adds is an inline one, so that a content policy must name the hashes of both.
    """
    packed = base64.b64encode(gzip.compress(page_script().encode(), mtime=0)).decode()
    return LOADER.replace("__PACKED__", packed)


def page_style() -> str:
    """Return the style sheet that charts need beside the page's own colors."""
    return (HERE / "page.css").read_text(encoding="utf-8")


def page_markup(chart: Chart) -> Markup:
    """Return a chart as a figure of the page, empty until `page_script` draws it."""
    return Markup(
        '<figure class="chart"><figcaption>{}</figcaption><div class="vega" role="img" aria-label="{}"></div>'
        "<noscript>A script draws this chart; figures/{}.svg beside this page is the same. {}</noscript>"
        '<script type="application/json">{}</script></figure>'
    ).format(chart.title, chart.words, chart.name, chart.words, Markup(chart.live()))


def sheet(charts: Sequence[Chart], columns: int = 2) -> str:
    """Return the SVG text of several charts side by side, so many a row: one file for what belongs together."""
    texts = [_alone(chart.svg(), f"c{number}-") for number, chart in enumerate(charts)]
    sizes = [(float(found[1]), float(found[2])) for found in map(_SIZE.search, texts) if found is not None]
    rows = [range(start, min(start + columns, len(charts))) for start in range(0, len(charts), columns)]
    parts, top, wide = [], 0.0, 0.0
    for row in rows:
        left = 0.0
        for place in row:
            width = sizes[place][0]
            parts.append(texts[place].replace("<svg ", f'<svg x="{left:g}" y="{top:g}" ', 1))
            left += width + GAP
        wide, top = max(wide, left - GAP), top + max(sizes[place][1] for place in row) + GAP
    high = top - GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:g}" height="{high:g}" viewBox="0 0 {wide:g} {high:g}">'
    )
    return f'{head}<rect width="100%" height="100%" fill="{LIGHT["--paper"]}"/>{"".join(parts)}</svg>'


def sheet_png(charts: Sequence[Chart], columns: int = 2, scale: float = 1.5) -> bytes:
    """Return several charts side by side as one PNG."""
    return bytes(vl_convert.svg_to_png(sheet(charts, columns), scale=scale))


def looks(count: int) -> tuple[list[str], list[Sequence[float]]]:
    """Return color and dashes of each of so many series: together they differ for 24 of them."""
    dashes = [DASHES[number // len(HUES) % len(DASHES)] for number in range(count)]
    return [HUES[number % len(HUES)] for number in range(count)], dashes


def titled(of: str, text: str) -> str:
    """Return a title that says whose figures they are, where that is known."""
    return f"{of}: {text}" if of else text


def without_middle(text: str, longest: int) -> str:
    """Return the text with its middle as an ellipsis where it is too long: variants differ in their ends.

    >>> without_middle("small-cnn lr=0.1 width=64", 15)
    'small-c…idth=64'
    """
    half = longest // 2
    return text if len(text) <= longest else f"{text[: longest - half - 1]}…{text[-half:]}"


def short(value: float) -> float:
    """Return a number with six figures, as exact as a reader can see: pages stay small."""
    return float(f"{value:.6g}")


def in_percent(share: float) -> float:
    """Return a share in percent with six figures."""
    return short(share * 100)


def span_of(groups: Iterable[Sequence[float]]) -> tuple[float, float] | None:
    """Return a range of whole, or fewer, percent that holds each group's finite values; None of no values.

    The lowest groups are left out while the others, at least three, then have three times the room.

    >>> span_of([[0.1], [0.9], [0.91], [0.92]])
    (0.9, 0.92)
    """
    each = [[value for value in group if math.isfinite(value)] for group in groups]
    ordered = sorted(filter(None, each), key=min)
    if not ordered:
        return None
    high = max(map(max, ordered))
    while len(ordered) > 3 and high - min(ordered[0]) > CROWDED * (high - min(ordered[1])):
        ordered = ordered[1:]
    wide = high - min(ordered[0])
    step = 0.05 if wide > 0.2 else 0.01 if wide > 0.02 else 0.002
    low = math.floor(min(ordered[0]) / step + 1e-9) * step
    return max(0.0, low - step if wide == 0 else low), min(1.0, math.ceil(high / step - 1e-9) * step or step)


def field(name: str) -> str:
    r"""Return a column's name as Vega-Lite takes it where dots and brackets would be a path.

    >>> field("lr=0.1 [a]")
    'lr=0\\.1 \\[a\\]'
    """
    return re.sub(r"([.\[\]'\"\\])", r"\\\1", name)


def zoom(encodings: Sequence[Literal["x", "y"]] = ("x", "y")) -> alt.Parameter:
    """Return what lets a reader drag and, with Ctrl held, zoom by the wheel: the wheel alone goes on with the page.

    Args:
        encodings: The axes with numbers.
    """
    hold = "wheel![event.ctrlKey || event.metaKey]"
    return alt.selection_interval(name="zoom", bind="scales", encodings=list(encodings), zoom=hold)


def chosen(series: str, name: str = "chosen") -> alt.Parameter:
    """Return what lets a reader pick series in the legend; each click adds one or takes it away."""
    return alt.selection_point(name=name, fields=[series], bind="legend", toggle="true")


def pointed(name: str = f"{HOVER}_point") -> alt.Parameter:
    """Return what shows the mark that is pointed at."""
    return alt.selection_point(name=name, on="pointerover", clear="pointerout", empty=False)


def legend(names: Sequence[str], **more: Any) -> alt.Legend:
    """Return a legend above the chart with as many columns as there is room for."""
    column = min(LABEL_LIMIT, 6.2 * max(map(len, names))) + 44
    room = "(isFinite(containerSize()[0]) ? containerSize()[0] - 50 : width)"  # `width` is not known yet on a page
    return alt.Legend(title=None, columns=alt.ExprRef(f"max(1, floor({room} / {column:.0f}))"), **more)


def haloed(texts: alt.Chart, **mark: Any) -> list[alt.Chart]:
    """Return texts with a rim in the color of the page, so that they can be read where a line runs behind them."""
    rim = {**mark, "stroke": PAPER, "strokeWidth": 3.5, "color": PAPER}
    return [texts.mark_text(**rim), texts.mark_text(**mark)]


def told(*columns: tuple[str, str] | tuple[str, str, str]) -> list[alt.Tooltip]:
    """Return what a tooltip tells: columns with their titles and, for numbers, a format (d3's)."""
    return [
        alt.Tooltip(column, title=title, type="quantitative", format=more[0])
        if more
        else alt.Tooltip(column, title=title, type="nominal")
        for column, title, *more in columns
    ]


def listed(texts: Iterable[str], most: int = 12) -> str:
    """Return texts as an enumeration, the rest counted."""
    every = list(texts)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return f"{', '.join(every[:most])}{more}"


GAP: Final = 12.0
LOADER: Final = """{
  const packed = Uint8Array.from(atob("__PACKED__"), (letter) => letter.charCodeAt(0));
  const unfolded = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  new Response(unfolded).text().then((text) => {
    const script = document.createElement("script");
    script.type = "module";
    script.textContent = text;
    document.body.append(script);
  });
}"""
_SIZE: Final = re.compile(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"')
_DATA: Final = ("data", "datasets", "domain", "values", "sort")
"""Parts of a specification that hold a reader's own texts."""


def _still(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a specification without the layers that only answer a pointer: a file needs none."""
    if "layer" not in spec:
        return spec
    kept = [layer for layer in spec["layer"] if not str(layer.get("name", "")).startswith(HOVER)]
    params = [each for each in spec.get("params", ()) if not str(each["name"]).startswith(HOVER)]
    return {**spec, "layer": kept, "params": params}


def _colored(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a specification with light colors in place of CSS variables; data stay what they are."""
    return {key: value if key in _DATA else _light(value) for key, value in spec.items()}


def _light(value: Any) -> Any:
    if isinstance(value, str):
        return LIGHT.get(value[4:-1], value) if value.startswith("var(--") else value
    if isinstance(value, Mapping):
        return _colored(value)
    return [_light(each) for each in value] if isinstance(value, list | tuple) else value


def _numbered(svg: str) -> str:
    """Return SVG text whose ids count from 0: Vega goes on counting from one chart to the next."""
    found = list(dict.fromkeys(re.findall(r'\bid="([a-z_]+\d+)"', svg)))
    places = {name: f"{name.rstrip('0123456789')}{place}" for place, name in enumerate(found)}
    return re.sub(r'(\bid="|url\(#|href="#)([a-z_]+\d+)', lambda each: each[1] + places.get(each[2], each[2]), svg)


def _alone(svg: str, prefix: str) -> str:
    """Return SVG text whose ids no other chart in the same file has."""
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}", svg)
