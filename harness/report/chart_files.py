"""The page's charts as SVG files of their own, in the page's light colors: for Markdown and for papers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markupsafe import Markup

TEMPLATES: Final = Path(__file__).parent / "templates"
VIEW: Final = re.compile(r'<svg ([^>]*?)viewBox="0 0 ([\d.]+) ([\d.]+)"')
LINE: Final = 20
EDGE: Final = 10
PAPER: Final = Markup('<rect width="100%" height="100%" fill="#ffffff"/>')
NO_KEY: Final = Markup("")
FONT: Final = "svg { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif; }"


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart as the page has it, with a line above it, empty for none."""

    chart: Markup
    caption: str = ""


def write_charts(title: str, panels: Sequence[Panel], path: Path, columns: int = 1, key: Markup = NO_KEY) -> None:
    """Write charts below a title, so many a row; `key` says beside the title what the colors mean."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(charts_text(title, panels, columns, key), encoding="utf-8", newline="\n")


def charts_text(title: str, panels: Sequence[Panel], columns: int = 1, key: Markup = NO_KEY) -> str:
    """Return the file's text: it needs no style sheet, no script and no font of its own."""
    sizes = [_size(panel.chart) for panel in panels]
    wide, high = max(width for width, _ in sizes), max(height for _, height in sizes)
    above = LINE if any(panel.caption for panel in panels) else 0
    across, down = min(columns, len(panels)), -(-len(panels) // columns)
    size = across * (wide + EDGE) + EDGE, down * (high + above) + LINE + 2 * EDGE
    head = Markup('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:g} {1:g}" width="{0:g}" height="{1:g}">')
    heading = Markup('<text class="heading" x="{}" y="{}">{} {}</text>').format(EDGE, EDGE + 11, title, key)
    parts = [head.format(*size), Markup("<style>{}</style>").format(Markup(_style())), PAPER, heading]
    for place, (panel, (width, height)) in enumerate(zip(panels, sizes, strict=True)):
        row, column = divmod(place, columns)
        left, top = EDGE + column * (wide + EDGE), LINE + EDGE + row * (high + above)
        caption = Markup('<text class="caption" x="{:g}" y="{:g}">{}</text>').format(left, top + 13, panel.caption)
        parts += [caption] if panel.caption else []
        parts.append(Markup(VIEW.sub(_placed(left, top + above, width, height), str(panel.chart), count=1)))
    return str(Markup("\n").join([*parts, Markup("</svg>\n")]))


def _size(chart: Markup) -> tuple[float, float]:
    found = VIEW.search(chart)
    if found is None:
        raise ValueError("no chart: it has no viewBox")
    return float(found[2]), float(found[3])


def _placed(left: float, top: float, width: float, height: float) -> str:
    return rf'<svg \1x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" viewBox="0 0 \2 \3"'


def _style() -> str:
    """Return the charts' rules with the light colors in place of variables, which not every viewer knows."""
    root = re.search(r":root \{(.+?)\}", _text("style.css"), re.DOTALL)
    colors = dict(re.findall(r"(--[\w-]+): ([^;]+);", root[1] if root else ""))
    return FONT + "\n" + re.sub(r"var\((--[\w-]+)\)", lambda found: colors[found[1]], _text("charts.css"))


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
