"""A confusion matrix as SVG, for a file of its own: the page has it as a table that can be read."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from harness.measure.drawing import shortened
from harness.report.confusions import Confusions
from harness.report.heatmaps import heat_picture, heat_rows, short_names

CELL: Final = 34
SMALL_CELL: Final = 24
ROOMY_UP_TO: Final = 12
LETTER: Final = 6.4
"""Width of a letter at 11 pixels, on average."""
PICTURE: Final = 520
NAMES: Final = 26


def confusion_chart(confusions: Confusions) -> Markup:
    """Return percent of the row and, with up to 12 classes, counts; with more than 26 classes, color alone."""
    rows = heat_rows(confusions)
    if not rows:
        return _picture(confusions)
    names = short_names(confusions)
    cell = CELL if len(rows) <= ROOMY_UP_TO else SMALL_CELL
    left = 30 + LETTER * max(map(len, names))
    side, below = cell * len(rows), left - 12 if max(map(len, names)) > 4 else 20
    head = '<svg class="confusion" viewBox="0 0 {:g} {:g}" role="img" aria-label="Confusion matrix of {}">'
    parts = [Markup(head).format(left + side + 8, side + below + 20, confusions.variant.name)]
    square = Markup('<rect class="square {}" x="{:g}" y="{:g}" width="{}" height="{}" fill-opacity="{:.2f}"/>')
    for y, row in enumerate(rows):
        parts.append(_text(row.name, left - 6, cell * (y + 0.5) + 4, "y"))
        for x, each in enumerate(row.squares):
            place = left + cell * x, cell * y
            if each.text:
                kind = "right" if each.is_right else "wrong"
                parts.append(square.format(kind, *place, cell, cell, each.strength / 100))
                rise = 1 if each.count else 4
                css = "" if cell == CELL else "small"
                parts.append(_text(each.text, place[0] + cell / 2, place[1] + cell / 2 + rise, css))
            if each.count:
                parts.append(_text(each.count, place[0] + cell / 2, place[1] + cell / 2 + 11, "count"))
    parts += [_column(name, left + cell * (x + 0.5), side, below > 20) for x, name in enumerate(names)]
    parts.append(Markup('<rect class="frame" x="{:g}" y="0" width="{}" height="{}"/>').format(left, side, side))
    parts.append(_text("predicted class", left + side / 2, side + below + 14))
    parts.append(Markup('<text transform="translate(12 {:g}) rotate(-90)">true class</text>').format(side / 2))
    return Markup("").join([*parts, Markup("</svg>")])


def _picture(confusions: Confusions) -> Markup:
    picture = Markup(
        '<svg class="confusion" viewBox="0 0 {0} {1}" role="img" aria-label="Confusion matrix of {2}">'
        '<image x="20" width="{3}" height="{3}" style="image-rendering: pixelated" href="{4}"/>'
        '<text x="{5}" y="{6}">predicted class</text>'
        '<text transform="translate(12 {5}) rotate(-90)">true class</text></svg>'
    )
    name = confusions.variant.name
    return picture.format(
        PICTURE + 28, PICTURE + 22, name, PICTURE, heat_picture(confusions), PICTURE / 2, PICTURE + 16
    )


def _column(name: str, x: float, y: float, is_long: bool) -> Markup:
    if not is_long:
        return _text(name, x, y + 15)
    turned = Markup('<text class="y" transform="translate({:g} {:g}) rotate(-90)">{}</text>')
    return turned.format(x + 4, y + 6, shortened(name, NAMES))


def _text(text: str, x: float, y: float, css: str = "") -> Markup:
    return Markup('<text class="{}" x="{:g}" y="{:g}">{}</text>').format(css, x, y, text)
