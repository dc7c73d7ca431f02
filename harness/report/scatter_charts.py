"""A scatter chart with names beside its points."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from harness.measure.drawing import shortened
from harness.report.charts import ticks
from harness.report.label_places import NAME_LENGTH, Box, Label, around, between, first_free
from harness.report.scatter import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    WIDTH,
    Offer,
    Scatter,
    axis_text,
    cost_ticks,
    front_corners,
    tick_text,
)
from harness.words import percent

WITHIN: Final[Box] = (LEFT, 0, WIDTH, HEIGHT - BOTTOM + 6)


def scatter_chart(scatter: Scatter) -> Markup:
    """Return the chart as SVG."""
    head = Markup('<svg class="scatter" viewBox="0 0 {} {}" role="img" aria-label="{}">')
    parts = [head.format(WIDTH, HEIGHT, f"{scatter.title}. {scatter.words}")]
    for value in ticks(scatter.low, scatter.high):
        parts.append(Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(LEFT, scatter.y(value), WIDTH - RIGHT))
        text = Markup('<text x="{}" y="{:.1f}" class="y">{:.4g} %</text>')
        parts.append(text.format(LEFT - 5, scatter.y(value) + 3.5, value * 100))
    for cost in cost_ticks(scatter):
        text = Markup('<text x="{:.1f}" y="{}">{}</text>')
        parts.append(text.format(scatter.x(cost), HEIGHT - BOTTOM + 16, tick_text(scatter, cost)))
    axis = Markup('<text x="{}" y="{}">{}</text>')
    parts.append(axis.format((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, axis_text(scatter)))
    parts.append(Markup('<path class="front" d="{}"/>').format(_front_path(scatter)))
    on_front = {each.name for each in scatter.front}
    dot = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4"><title>{}</title></circle>')
    for each in scatter.offers:
        said = f"{each.name}: {percent(each.accuracy)} %, {scatter.cost_text(each.cost)}"
        css = "train" if each.name in on_front else "val"
        parts.append(dot.format(css, scatter.x(each.cost), scatter.y(each.accuracy), said))
    name = Markup('<text class="name {}" x="{:.1f}" y="{:.1f}">{}</text>')
    parts += [name.format(label.anchor, label.x, label.y, label.text) for label in labels(scatter)]
    return Markup("").join([*parts, Markup("</svg>")])


def labels(scatter: Scatter) -> tuple[Label, ...]:
    """Return the names that there is room for, those on the front first; the table has all of them."""
    on_front = scatter.front
    rest = sorted((each for each in scatter.offers if each not in on_front), key=lambda each: -each.accuracy)
    taken = [around(scatter.x(each.cost), scatter.y(each.accuracy)) for each in scatter.offers]
    corners = front_corners(scatter)
    taken += [between(one, other) for one, other in pairwise(corners)]
    placed: list[Label] = []
    for each in (*reversed(on_front), *rest):
        below = f": {percent(each.accuracy)} %" if each.accuracy < scatter.low else ""
        text = shortened(each.name, NAME_LENGTH) + below
        label = first_free(_choices(text, scatter, each), taken, WITHIN)
        if label is not None:
            placed.append(label)
            taken.append(label.box)
    return tuple(placed)


def _front_path(scatter: Scatter) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in front_corners(scatter))


def _choices(text: str, scatter: Scatter, offer: Offer) -> Sequence[Label]:
    """Return where a label may stand, the best place first: the front comes from below and leaves to the right."""
    x, y = scatter.x(offer.cost), scatter.y(offer.accuracy)
    return (
        Label(text, x - 7, y + 4, "end"),
        Label(text, x + 7, y + 4),
        Label(text, x, y - 8, "middle"),
        Label(text, x - 5, y - 7, "end"),
        Label(text, x + 6, y - 7),
        Label(text, x + 5, y + 15),
        Label(text, x, y + 18, "middle"),
    )
