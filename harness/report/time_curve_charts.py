"""Charts of validation accuracy against seconds: a line a variant, named at its end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from harness.report.charts import ticks
from harness.report.label_places import NAME_LENGTH, Box, Label, around, first_free, without_middle
from harness.report.strips import span_of_groups
from harness.report.time_axis import round_times
from harness.report.time_curves import Line, TimeCurve, TimeCurves
from harness.words import duration, percent, round_duration

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 92, 16, 42
HUES: Final = 6
"""Colors; from then on the same ones, dashed."""
WITHIN: Final[Box] = (LEFT, 0, WIDTH, HEIGHT - BOTTOM + 6)
ROW: Final = 16
ACROSS: Final = 2
KEY_LENGTH: Final = 36
"""Letters of a name in the legend."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The ranges of seconds (logarithmic) and accuracies that a chart shows; what is outside stands at the edge."""

    early: float
    late: float
    low: float
    high: float

    def x(self, seconds: float) -> float:
        """Return the place of a time."""
        place = math.log(max(seconds, self.early) / self.early) / math.log(self.late / self.early)
        return LEFT + (WIDTH - LEFT - RIGHT) * (0.02 + 0.98 * place)

    def y(self, accuracy: float) -> float:
        """Return the height of an accuracy."""
        share = (max(accuracy, self.low) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (0.03 + 0.97 * share)


def time_curve_chart(chart: TimeCurves) -> Markup:
    """Return the chart as SVG."""
    scale = scale_of(chart)
    placed = labels(chart, scale)
    unnamed = [place for place, label in enumerate(placed) if label is None]
    high = HEIGHT + ROW * -(-len(unnamed) // ACROSS)
    head = Markup('<svg class="scatter lines" viewBox="0 0 {} {}" role="img" aria-label="{}">')
    parts = [head.format(WIDTH, high, f"{chart.title}. {chart.words} Ends: {chart.ends}."), *_grid(scale)]
    for place, curve in reversed(list(enumerate(chart.curves))):
        parts.append(_drawn(curve, scale, _look(place)))
    name = Markup('<text class="name {} {}" x="{:.1f}" y="{:.1f}">{}</text>')
    for place, label in enumerate(placed):
        parts += [name.format(label.anchor, _look(place), label.x, label.y, label.text)] if label else []
    parts += [_key(chart.curves[place].name, _look(place), spot) for spot, place in enumerate(unnamed)]
    return Markup("").join([*parts, Markup("</svg>")])


def scale_of(chart: TimeCurves) -> Scale:
    """Return the ranges that hold the mean lines and what is near to them."""
    means = [each.mean for each in chart.curves]
    early, late = chart.span
    low, high = span_of_groups([[accuracy for _, accuracy in line] for line in means]) or (0.0, 1.0)
    return Scale(early, late if late > early * 1.01 else early * 2, low, high)


def labels(chart: TimeCurves, scale: Scale) -> tuple[Label | None, ...]:
    """Return each line's name beside its end, None where there is no room."""
    taken = [box for each in chart.curves for box in _boxes(each.mean, scale)]
    placed: list[Label | None] = []
    for each in chart.curves:
        label = first_free(_choices(each, scale), taken, WITHIN)
        placed.append(label)
        taken += [label.box] if label else []
    return tuple(placed)


def _choices(curve: TimeCurve, scale: Scale) -> Iterator[Label]:
    """Yield where a name may stand, the best place first: beside the end, then ever higher or lower, then before it."""
    seconds, accuracy = curve.mean[-1]
    x, y = scale.x(seconds), scale.y(accuracy)
    outside = [f"{percent(accuracy)} %"] if accuracy < scale.low else []
    outside += [duration(seconds)] if seconds < scale.early else []
    text = without_middle(curve.name, NAME_LENGTH) + (f": {', '.join(outside)}" if outside else "")
    for away in (0, 6, 12, 18, 24):
        yield from (Label(text, x + 8, y + 4 + side * away) for side in (-1, 1))
    yield from (Label(text, x + 2, y - 8, "end"), Label(text, x, y + 16, "middle"), Label(text, x - 8, y + 4, "end"))
    yield from (Label(text, x + 2, y - away, "end") for away in (16, 24))


def _boxes(line: Line, scale: Scale) -> Iterator[Box]:
    """Yield boxes along a line, so that no name covers it."""
    points = [(scale.x(seconds), scale.y(accuracy)) for seconds, accuracy in line]
    for (x1, y1), (x2, y2) in pairwise(points):
        steps = max(1, int(math.hypot(x2 - x1, y2 - y1) / 5))
        yield from (around(x1 + (x2 - x1) * k / steps, y1 + (y2 - y1) * k / steps, 2) for k in range(steps))
    yield around(*points[-1])


def _grid(scale: Scale) -> Iterator[Markup]:
    for value in ticks(scale.low, scale.high):
        yield Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(LEFT, scale.y(value), WIDTH - RIGHT)
        text = Markup('<text x="{}" y="{:.1f}" class="y">{:.4g} %</text>')
        yield text.format(LEFT - 5, scale.y(value) + 3.5, value * 100)
    for seconds in round_times(scale.early, scale.late):
        mark = Markup('<path class="grid" d="M{0:.1f} {1}v4"/><text x="{0:.1f}" y="{2}">{3}</text>')
        yield mark.format(scale.x(seconds), HEIGHT - BOTTOM, HEIGHT - BOTTOM + 16, round_duration(seconds))
    axis = Markup('<text x="{}" y="{}">time of fitting, validation included, logarithmic</text>')
    yield axis.format((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8)


def _drawn(curve: TimeCurve, scale: Scale, look: str) -> Markup:
    """Return a variant: its seeds where there are several, its mean line, and a dot at its end."""
    parts = [_polyline(line, scale, "seed") for line in curve.seeds] if len(curve.seeds) > 1 else []
    parts.append(_polyline(curve.mean, scale, "mean"))
    seconds, accuracy = curve.mean[-1]
    dot = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4"><title>{}</title></circle>')
    said = f"{curve.name}: {percent(accuracy)} % after {duration(seconds)}"
    parts.append(dot.format(scale.x(seconds), scale.y(accuracy), said))
    return Markup('<g class="{}">{}</g>').format(look, Markup("").join(parts))


def _polyline(line: Line, scale: Scale, css: str) -> Markup:
    """Return a line without the points that are less than a pixel from the last one; a single point is a dot."""
    points = [(scale.x(seconds), scale.y(accuracy)) for seconds, accuracy in line]
    if len(points) == 1:
        return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="2"/>').format(css, *points[0])
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in _thinned(points))
    return Markup('<polyline class="{}" points="{}"/>').format(css, text)


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    kept = [points[0]]
    for point in points[1:-1]:
        kept += [point] if point[0] - kept[-1][0] >= 1 else []
    return [*kept, points[-1]]


def _look(place: int) -> str:
    return f"hue{place % HUES}{' dashed' if place >= HUES else ''}"


def _key(name: str, look: str, spot: int) -> Markup:
    """Return a line of the legend, below the axis."""
    row, column = divmod(spot, ACROSS)
    x, y = LEFT + column * (WIDTH - LEFT) / ACROSS, HEIGHT + 10 + row * ROW
    sample = Markup('<g class="{}"><polyline class="mean" points="{:.1f},{} {:.1f},{}"/></g>')
    text = Markup('<text class="name start {}" x="{:.1f}" y="{}">{}</text>')
    return sample.format(look, x, y - 4, x + 20, y - 4) + text.format(look, x + 25, y, without_middle(name, KEY_LENGTH))
