"""Charts of what accuracy costs: against time of fitting or parameters with the Pareto front, and by seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

import altair as alt
from altair.utils.schemapi import debug_mode

from harness.charts.style import (
    AMBER,
    BLUE,
    HOVER,
    Chart,
    chosen,
    finished,
    in_percent,
    legend,
    listed,
    looks,
    pointed,
    short,
    span_of,
    told,
    without_middle,
    zoom,
)
from harness.words import duration, percent, whole

Price = Literal["time", "parameters"]
Line: TypeAlias = Sequence[tuple[float, float]]
"""Seconds, never falling, and the accuracy then known, a share."""
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom."""
SHORTEST: Final = 1e-3
"""Seconds: what a logarithmic axis shows of a fit that takes no time at all."""
ROUND_TIMES: Final = (SHORTEST, 0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 360_000)
MORE_TIMES: Final = (0.002, 0.005, 0.02, 0.05, 0.2, 0.5, 2, 3, 5, 7, 20, 30, 120, 300, 1200, 1800, 7200, 18_000, 86_400)
TIME_LABEL: Final = (
    "datum.value < 1 ? format(datum.value * 1000, '~g') + ' ms' : "
    "datum.value < 60 ? format(datum.value, '~g') + ' s' : "
    "datum.value < 3600 ? format(datum.value / 60, '.3~g') + ' min' : format(datum.value / 3600, '.3~g') + ' h'"
)
EARLY: Final = 10
LETTER: Final = 6.1
"""Width of a label's letter at 11 pixels, on average."""
NAME_LENGTH: Final = 26
MOST_LABELS: Final = 24
ALIGN: Final[Sequence[Literal["left", "center", "right"]]] = ("left", "center", "right")
NEARBY: Final = (
    (-8, 0, "right"),
    (8, 0, "left"),
    (0, -12, "center"),
    (-5, -11, "right"),
    (6, -11, "left"),
    (5, 12, "left"),
    (0, 14, "center"),
)
"""Where a name may stand beside its point, best first: the front comes from below and leaves to the right."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A variant: what it costs (above zero) and its accuracy, a share."""

    name: str
    cost: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Timed:
    """A variant's accuracy by seconds: a line for each seed and their mean; a model without epochs has one point."""

    name: str
    mean: Line
    seeds: Sequence[Line] = ()


@debug_mode(False)
def price_scatter(offers: Sequence[Offer], price: Price, metric: str, title: str, name: str = "") -> Chart | None:
    """Return accuracy against a price on a logarithmic axis, with the Pareto front that nothing beats.

    What is far below the others stands as an arrow at the lower edge, with its figure. Names stand where there is
    room, those on the front first; a narrow page has fewer of them.

    Args:
        offers: The variants.
        price: What `cost` is: seconds of fitting, or parameters.
        metric: What the accuracy is, in words: `test accuracy`.
        title: What stands above.
        name: Stem of the chart's file; of the price where it is empty.

    Returns:
        None of no offers.
    """
    span = span_of([[each.accuracy] for each in offers])
    if span is None:
        return None
    shown = [each for each in offers if math.isfinite(each.accuracy) and each.cost > 0]
    front = [shown[place] for place in pareto_front([o.cost for o in shown], [o.accuracy for o in shown])]
    frame = _Frame.of(shown, *span)
    rows = [_offer_row(each, price, each in front) for each in shown]
    is_low = [each.accuracy < frame.floor for each in shown]
    inside = [row for row, low in zip(rows, is_low, strict=True) if not low]
    below = [row for row, low in zip(rows, is_low, strict=True) if low]
    titles = {"time": "time of fitting, logarithmic", "parameters": "parameters, logarithmic"}
    early, late = frame.early, frame.late
    axes = {
        "time": alt.Axis(grid=False, values=round_times(early, late), labelExpr=TIME_LABEL),
        "parameters": alt.Axis(grid=False, values=_powers(early, late), format="~s"),
    }
    x_scale = alt.Scale(type="log", domain=[short(frame.early), short(frame.late)], nice=False)
    x = alt.X("cost:Q", title=titles[price], scale=x_scale, axis=axes[price])
    y_scale = alt.Scale(domain=[in_percent(frame.low), in_percent(frame.high)], nice=False, zero=False)
    y = alt.Y("accuracy:Q", title=f"{metric} (%)", scale=y_scale)
    figures = told(
        ("name", "variant"), ("accuracy", f"{metric} (%)", ".2f"), ("price", titles[price].split(",")[0]), ("kind", "")
    )
    kinds = ["on the Pareto front", "beaten in both"]
    color = alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[AMBER, BLUE]), legend=legend(kinds))
    steps = [{"cost": each.cost, "accuracy": in_percent(each.accuracy)} for each in front]
    steps.append({"cost": short(frame.late), "accuracy": steps[-1]["accuracy"]})
    stairs = alt.Chart(alt.InlineData(values=steps)).mark_line(interpolate="step-after", color=AMBER, clip=True)
    dots = alt.Chart(alt.InlineData(values=inside)).mark_point(filled=True, size=75, opacity=0.9, clip=True)
    arrows = alt.Chart(alt.InlineData(values=below)).mark_point(shape="triangle-down", filled=True, size=75)
    foot = alt.value(alt.ExprRef("height - 6"))
    layers = [
        stairs.encode(x=x, y=y),
        arrows.encode(x=x, y=foot, color=color, tooltip=figures),
        dots.encode(x=x, y=y, color=color, tooltip=figures).properties(name="offers").add_params(zoom()),
        *_name_layers(shown, front, frame, x, y),
    ]
    said = [f"{each.name} ({percent(each.accuracy)} %, {_price_text(each.cost, price)})" for each in front]
    low_words = [f"{row['name']} {row['accuracy']:.2f} %" for row in below]
    more = f" Below the axis: {listed(low_words)}." if low_words else ""
    words = f"{title}. On the front: {listed(said, 24)}.{more}"
    stem = name or f"cost-{price}"
    return finished(alt.layer(*layers), stem, title, words, width=frame.width, height=frame.height)


@debug_mode(False)
def accuracy_by_seconds(
    curves: Sequence[Timed], title: str, words: str = "", name: str = "cost-seconds"
) -> Chart | None:
    """Return accuracy against seconds on a logarithmic axis: which model is ahead after how much time.

    Args:
        curves: The variants, in the order of the legend; up to 24 can be told apart.
        title: What stands above.
        words: What it says, for the alternative text; the ends of the lines are added.
        name: Stem of the chart's file.

    Returns:
        None where no curve has a point.
    """
    curves = [each for each in curves if each.mean]
    if not curves:
        return None
    names, (colors, dashes) = [each.name for each in curves], looks(len(curves))
    rows = [
        {"variant": each.name, "seed": seed, "seconds": short(max(seconds, SHORTEST)), "accuracy": in_percent(accuracy)}
        for each in curves
        for seed, line in [(0, each.mean), *enumerate(each.seeds if len(each.seeds) > 1 else (), 1)]
        for seconds, accuracy in line
    ]
    for row in rows:
        row["after"] = duration(float(str(row["seconds"])))
    early, late = _seconds_span(curves)
    ticks = alt.Axis(values=round_times(early, late), labelExpr=TIME_LABEL, grid=False)
    scale = alt.Scale(type="log", nice=False, padding=8, domain=[short(early), short(late)])
    x = alt.X("seconds:Q", title="time of fitting, validation included, logarithmic", scale=scale, axis=ticks)
    y = alt.Y("accuracy:Q", title="validation accuracy (%)", scale=alt.Scale(zero=False, padding=6))
    key, pick = legend(names, symbolType="stroke", symbolSize=300), chosen("variant")
    dim = alt.when(pick).then(alt.value(1)).otherwise(alt.value(0.08))
    color = alt.Color("variant:N", scale=alt.Scale(domain=names, range=colors), legend=key)
    base = alt.Chart().encode(
        x=x,
        y=y,
        color=color,
        strokeDash=alt.StrokeDash("variant:N", scale=alt.Scale(domain=names, range=dashes), legend=key),
        opacity=dim,
    )
    ends = [{**_end_row(each), "variant": each.name} for each in curves]
    sooner = [row for row in ends if row["seconds"] < early]
    for row in sooner:
        row["text"] = f"◄ {without_middle(str(row['variant']), NAME_LENGTH)}: {row['after']}"
    inside = alt.Chart(alt.InlineData(values=[row for row in ends if row["seconds"] >= early]))
    edge = alt.Chart(alt.InlineData(values=sooner)).encode(x=alt.value(3), y=y, color=color, opacity=dim, text="text:N")
    near = pointed()
    figures = told(("variant", "variant"), ("accuracy", "validation accuracy (%)", ".2f"), ("after", "after"))
    hovered = (
        alt.Chart()
        .mark_point(filled=True, size=130)
        .transform_filter("datum.seed === 0")
        .encode(
            x=x, y=y, color=color, opacity=alt.when(near).then(alt.value(1)).otherwise(alt.value(0)), tooltip=figures
        )
    )
    layers = [
        base.transform_filter("datum.seed > 0").mark_line(strokeWidth=0.9, strokeOpacity=0.5).encode(detail="seed:N"),
        base.transform_filter("datum.seed === 0")
        .mark_line(strokeWidth=2.2)
        .properties(name="means")
        .add_params(zoom(), pick),
        inside.mark_point(filled=True, size=65).encode(x=x, y=y, color=color, opacity=dim),
        edge.mark_text(align="left", fontSize=11),
        hovered.properties(name=HOVER).add_params(near),
    ]
    told_ends = [f"{each.name} {percent(each.mean[-1][1])} % after {duration(each.mean[-1][0])}" for each in curves]
    said = f"{title}. {words} Ends: {listed(told_ends, 24)}."
    drawn = alt.layer(*layers, data=alt.InlineData(values=rows))
    return finished(drawn, name, title, said, width=700, height=360)


def pareto_front(costs: Sequence[float], values: Sequence[float]) -> tuple[int, ...]:
    """Return the places of the points that none dominates, the cheapest first.

    A point dominates another that costs no less and is worth no more, one of them strictly. Points that are
    equal in both are on the front together.

    >>> pareto_front([1.0, 2.0, 3.0, 2.5], [0.5, 0.7, 0.9, 0.6])
    (0, 1, 2)
    """
    order = sorted(range(len(costs)), key=lambda place: (costs[place], -values[place]))
    front: list[int] = []
    for place in order:
        best = front[-1] if front else None
        is_better = best is None or values[place] > values[best]
        is_equal = best is not None and (costs[place], values[place]) == (costs[best], values[best])
        if is_better or is_equal:
            front.append(place)
    return tuple(front)


@dataclass(frozen=True, slots=True)
class _Frame:
    """The plot of a scatter chart: ranges of cost (logarithmic) and accuracy, size in pixels."""

    early: float
    late: float
    low: float
    high: float
    floor: float
    width: float = 640
    height: float = 340

    @classmethod
    def of(cls, offers: Sequence[Offer], low: float, high: float) -> _Frame:
        """Return a frame with a little room around the offers that are not below `low`."""
        ends = [math.log10(each.cost) for each in offers]
        room = 0.06 * (max(ends) - min(ends)) or 0.5
        rise = 0.06 * (high - low)
        return cls(10 ** (min(ends) - room), 10 ** (max(ends) + room), low - rise, high + rise, low)

    def place(self, offer: Offer, width: float) -> tuple[float, float]:
        """Return pixels from the left and from the top, in a chart of a width."""
        across = math.log(offer.cost / self.early) / math.log(self.late / self.early)
        up = (offer.accuracy - self.low) / (self.high - self.low)
        return width * across, self.height - 6 if offer.accuracy < self.floor else self.height * (1 - up)


def _name_layers(
    offers: Sequence[Offer], front: Sequence[Offer], frame: _Frame, x: alt.X, y: alt.Y
) -> Iterator[alt.Chart]:
    """Yield names beside their points: one set for a wide page and files, one for a phone."""
    rest = sorted((each for each in offers if each not in front), key=lambda each: -each.accuracy)
    for width, when in ((frame.width, "width >= 430"), (300.0, "width < 430")):
        placed = _placed([*reversed(front), *rest][:MOST_LABELS], offers, front, frame, width)
        for align in ALIGN:
            for low in (False, True):
                rows = [row for row in placed if row["align"] == align and row["is_low"] is low]
                if rows:
                    texts = alt.Chart(alt.InlineData(values=rows)).encode(
                        x=x,
                        y=alt.value(alt.ExprRef("height - 6")) if low else y,
                        text="text:N",
                        opacity=alt.value(alt.ExprRef(f"{when} ? 1 : 0")),
                    )
                    dx, dy = alt.ExprRef("datum.dx"), alt.ExprRef("datum.dy")
                    yield texts.mark_text(align=align, fontSize=11, dx=dx, dy=dy)


def _placed(
    wanted: Sequence[Offer], offers: Sequence[Offer], front: Sequence[Offer], frame: _Frame, width: float
) -> list[dict[str, Any]]:
    """Return the names that there is room for, and where each stands from its point."""
    spots = [frame.place(each, width) for each in offers]
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in spots]
    corners: list[tuple[float, float]] = []
    for each in front:
        spot = frame.place(each, width)
        corners += [(spot[0], corners[-1][1]), spot] if corners else [spot]
    corners.append((width, corners[-1][1]))
    taken += [
        (min(a[0], b[0]) - 1, min(a[1], b[1]) - 1, max(a[0], b[0]) + 1, max(a[1], b[1]) + 1)
        for a, b in pairwise(corners)
    ]
    placed = []
    for each in wanted:
        is_low = bool(each.accuracy < frame.floor)
        text = without_middle(each.name, NAME_LENGTH) + (f": {percent(each.accuracy)} %" if is_low else "")
        spot, wide = frame.place(each, width), LETTER * len(text)
        for dx, dy, align in NEARBY:
            left = spot[0] + dx - {"left": 0.0, "center": wide / 2, "right": wide}[align]
            box = left, spot[1] + dy - 7, left + wide, spot[1] + dy + 6
            is_inside = box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= frame.height
            if is_inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                row = {"cost": each.cost, "accuracy": in_percent(each.accuracy), "text": text, "is_low": is_low}
                placed.append(row | {"dx": dx, "dy": dy, "align": align})
                break
    return placed


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _offer_row(offer: Offer, price: Price, is_front: bool) -> dict[str, Any]:
    return {
        "name": offer.name,
        "cost": short(offer.cost),
        "accuracy": in_percent(offer.accuracy),
        "price": _price_text(offer.cost, price),
        "kind": "on the Pareto front" if is_front else "beaten in both",
    }


def _end_row(curve: Timed) -> dict[str, Any]:
    seconds, accuracy = curve.mean[-1]
    return {"seconds": short(max(seconds, SHORTEST)), "accuracy": in_percent(accuracy), "after": duration(seconds)}


def _seconds_span(curves: Sequence[Timed]) -> tuple[float, float]:
    """Return the seconds of the axis: an end ten times before any first epoch would press all together."""
    first = min((each.mean[0][0] for each in curves if len(each.mean) > 1), default=0.0)
    times = [max(seconds, SHORTEST) for each in curves for line in (each.mean, *each.seeds) for seconds, _ in line]
    early, late = max(min(times), first / EARLY), max(times)
    return early, late if late > early * 1.01 else early * 2


def _price_text(cost: float, price: Price) -> str:
    return duration(cost) if price == "time" else whole(cost)


def round_times(early: float, late: float) -> list[float]:
    """Return round times within a range: the great ones, with those between where there are few; else its ends.

    >>> round_times(4.0, 2600.0), round_times(2.0, 7.5), round_times(2.5, 3.0)
    ([10, 60, 600], [2, 3, 5, 7], [2.5, 3.0])
    """
    seen = [seconds for seconds in ROUND_TIMES if early <= seconds <= late]
    more = sorted(seconds for seconds in (*ROUND_TIMES, *MORE_TIMES) if early <= seconds <= late)
    return seen if len(seen) > 2 else more if len(more) > 1 else [short(early), short(late)]


def _powers(early: float, late: float) -> list[float]:
    """Return powers of ten within a range, with 2 and 5 times them where there are few."""
    places = range(math.floor(math.log10(early)), math.ceil(math.log10(late)) + 1)
    seen = [10.0**place for place in places if early <= 10.0**place <= late]
    more = [step * 10.0**place for place in places for step in (1, 2, 5) if early <= step * 10.0**place <= late]
    return seen if len(seen) > 2 else more if len(more) > 1 else [short(early), short(late)]
