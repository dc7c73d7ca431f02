"""Charts of results: seeds side by side, ablations, accuracy against a price or seconds, and views by matrix axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

import altair as alt
from altair.utils.schemapi import debug_mode

from harness.charts.style import (
    AMBER,
    BLUE,
    HEAT_BLUE,
    INK,
    LINE,
    MUTED,
    Chart,
    finished,
    haloed,
    in_percent,
    listed,
    span_of,
    told,
    zoom,
)
from harness.escape import file_stem
from harness.words import amount, percent, points

ROW: Final = 34
DOWN: Final = 8
UP: Final = -8
"""Pixels from a row's middle to its marks and to its name."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """One variant's values, shares, one a seed; `low` and `high` are the ends of the mean's 95 % interval."""

    name: str
    values: Mapping[int, float]
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """One row of an ablation: accuracies, shares; `low` and `high` are the ends of the change's 95 % interval."""

    label: str
    start: float
    end: float
    low: float | None = None
    high: float | None = None

    @property
    def change(self) -> float:
        """What the row changes."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Level:
    """A value of a matrix axis as text, and the accuracy, a share, of each variant that has it."""

    text: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Spot:
    """A cell of a pivot: values of two axes as text, the mean accuracy, a share, of `count` variants."""

    row: str
    column: str
    accuracy: float
    count: int = 1


@debug_mode(False)
def seed_dots(rows: Sequence[Seeds], metric: str, title: str = "", name: str = "results") -> Chart | None:
    """Return every seed as a dot, the mean as a tick and its 95 % interval as a bar, a row for each variant.

    A floor at chance level would press all that matters into one spot: what is far below the others stands as an
    arrow at the edge, with its figure.

    Args:
        rows: The variants, the best first.
        metric: What the values are, in words: `test accuracy`.
        title: What stands above; made of the metric where it is empty.
        name: Stem of the chart's file.

    Returns:
        None where no row has a finite value.
    """
    found = [(row, [value for value in row.values.values() if math.isfinite(value)]) for row in rows]
    found = [(row, values) for row, values in found if values]
    span = span_of([values for _, values in found])
    if span is None:
        return None
    low, high = _with_intervals(span, [row for row, _ in found])
    lines: list[dict[str, Any]] = []
    dots: list[dict[str, Any]] = []
    edge: list[dict[str, Any]] = []
    for place, (row, values) in enumerate(found):
        mean = fmean(values)
        known = row.low is not None and row.high is not None
        line: dict[str, Any] = {
            "row": place,
            "name": row.name,
            "mean": in_percent(mean),
            "figure": f"{percent(mean)} %",
        }
        line["interval"] = f"{percent(row.low or 0)} to {percent(row.high or 0)}" if known else "-"
        ends = {"low": row.low, "high": row.high} if known else {}
        line |= {side: in_percent(max(low, end)) for side, end in ends.items() if end is not None}
        lines.append(line | {"seeds": amount(len(values), "seed"), "is_in": mean >= low})
        seeds = {seed: value for seed, value in row.values.items() if math.isfinite(value)}
        dots += [line | {"seed": seed, "value": in_percent(value)} for seed, value in seeds.items() if value >= low]
        hidden = [percent(value) for value in seeds.values() if value < low]
        edge += [{"row": place, "text": f"◄ below the axis: {listed(hidden, 5)} %"}] if hidden else []
    scale = alt.Scale(domain=[in_percent(low), in_percent(high)], nice=False, zero=False, padding=8)
    x = alt.X("value:Q", title=f"{metric} (%)", scale=scale)
    y = alt.Y("row:O", axis=None).scale(domain=list(range(len(found))), paddingInner=0, paddingOuter=0)
    base, each = alt.Chart(alt.InlineData(values=lines)), alt.Chart(alt.InlineData(values=dots))
    inside = base.transform_filter("datum.is_in")
    figures = told(("name", "variant"), ("mean", "mean (%)", ".2f"), ("interval", "95 % interval"), ("seeds", "of"))
    band = inside.mark_bar(size=9, color=BLUE, opacity=0.28, yOffset=DOWN, y2Offset=DOWN)
    mean_tick = inside.mark_tick(thickness=2.5, size=17, color=AMBER, yOffset=DOWN)
    point = each.mark_point(filled=True, size=42, color=BLUE, opacity=0.85, yOffset=DOWN)
    said = told(("name", "variant"), ("seed", "seed"), ("value", f"{metric} (%)", ".2f"), ("mean", "mean (%)", ".2f"))
    outside = alt.Chart(alt.InlineData(values=edge)).encode(x=alt.value(2), y=y, text="text:N")
    layers = [
        band.encode(x=alt.X("low:Q", title=f"{metric} (%)", scale=scale), x2="high:Q", y=y, tooltip=figures),
        point.encode(x=x, y=y, tooltip=said).properties(name="seeds").add_params(zoom(["x"])),
        mean_tick.encode(x=alt.X("mean:Q", scale=scale), y=y, tooltip=figures),
        *_row_texts(base, y, "name:N", "figure:N"),
        *haloed(outside, align="left", dy=DOWN, color=MUTED),
    ]
    title = title or f"{metric}: each seed, mean and 95 % interval"
    words = [f"{line['name']} {line['figure']} ({line['seeds']})" for line in lines]
    height = ROW * len(found)
    return finished(alt.layer(*layers), name, title, f"{title}. {listed(words, 40)}.", width=640, height=height)


@debug_mode(False)
def ablation(of: str, metric: str, first: str, base: float, switches: Sequence[Switch], *, stepwise: bool) -> Chart:
    """Return what each switch takes away or adds as a bar, from its starting point to where it leads.

    Args:
        of: The ablation's name.
        metric: What the values are, in words: `test accuracy`.
        first: The first row's label.
        base: The first row's accuracy, a share.
        switches: The other rows, in order, each with its own starting point.
        stepwise: Whether each row starts from the row above; else from the first.
    """
    rows: list[dict[str, Any]] = [{"row": 0, "label": first, "figure": f"{percent(base)} %"}]
    for place, each in enumerate(switches, 1):
        row: dict[str, Any] = {
            "row": place,
            "label": each.label,
            "start": in_percent(each.start),
            "end": in_percent(each.end),
        }
        row |= {"change": in_percent(each.change), "kind": "gain" if each.change >= 0 else "loss", "interval": "-"}
        row["figure"] = points(each.change)
        if each.low is not None and each.high is not None:
            ends = max(0.0, each.start + each.low), min(1.0, each.start + each.high)
            row |= {"low": in_percent(ends[0]), "high": in_percent(ends[1])}
            row["interval"] = f"{points(each.low)} to {points(each.high)}"
        rows.append(row)
    scale = alt.Scale(zero=False, nice=False, padding=14)
    y = alt.Y("row:O", axis=None).scale(domain=list(range(len(rows))), paddingInner=0, paddingOuter=0)
    title = f"{metric} (%)"
    every = alt.Chart(alt.InlineData(values=rows))
    bars, known = every.transform_filter("datum.row > 0"), every.transform_filter("isValid(datum.low)")
    color = alt.Color("kind:N", legend=None).scale(domain=["gain", "loss"], range=[BLUE, AMBER])
    figures = told(
        ("label", "change"),
        ("start", "from (%)", ".2f"),
        ("end", "to (%)", ".2f"),
        ("figure", "points"),
        ("interval", "95 %"),
    )
    start = alt.Chart(alt.InlineData(values=[{"base": in_percent(base)}])).encode(
        x=alt.X("base:Q", title=title, scale=scale)
    )
    span = alt.X("start:Q", title=title, scale=scale)
    whisker = alt.X("low:Q", title=title, scale=scale)
    tips = [
        known.mark_tick(size=9, thickness=1.2, color=INK, yOffset=DOWN).encode(x=f"{end}:Q", y=y)
        for end in ("low", "high")
    ]
    layers = [
        start.mark_rule(strokeDash=[4, 3]),
        bars.mark_bar(size=13, opacity=0.8, yOffset=DOWN, y2Offset=DOWN, minBandSize=2).encode(
            x=span, x2="end:Q", y=y, color=color, tooltip=figures
        ),
        bars.mark_tick(size=13, thickness=1.5, yOffset=DOWN).encode(x="end:Q", y=y, color=color, tooltip=figures),
        known.mark_rule(color=INK, strokeWidth=1.2, yOffset=DOWN, y2Offset=DOWN).encode(
            x=whisker, x2="high:Q", y=y, tooltip=figures
        ),
        *tips,
        start.mark_point(filled=True, size=50, color=INK, opacity=1).encode(y=alt.value(ROW / 2 + DOWN)),
        *_row_texts(every, y, "label:N", "figure:N"),
    ]
    way = "each step from the row above" if stepwise else f"each change from {first}"
    heading = f"{of}: {metric}, {way}, with 95 % intervals"
    changes = ", ".join(f"{each.label} {points(each.change)}" for each in switches)
    words = f"{heading}. {first} {percent(base)} %; points: {changes}."
    return finished(alt.layer(*layers), file_stem("ablation", of), heading, words, width=640, height=ROW * len(rows))


@debug_mode(False)
def main_effect(axis: str, levels: Sequence[Level], metric: str) -> Chart:
    """Return accuracy by one axis of a matrix: each variant as a dot, the mean of each value of the axis as a line.

    Args:
        axis: The axis, as its path is called.
        levels: Its values, in order.
        metric: What the accuracies are, in words.
    """
    dots = [
        {"level": level.text, "variant": variant, "accuracy": in_percent(value), "figure": f"{percent(value)} %"}
        for level in levels
        for variant, value in level.values.items()
    ]
    means = [
        {"level": level.text, "accuracy": in_percent(fmean(level.values.values())), "variants": len(level.values)}
        for level in levels
        if level.values
    ]
    x = alt.X("level:N", title=axis, sort=[level.text for level in levels]).axis(labelAngle=0, labelLimit=110)
    y = alt.Y("accuracy:Q", title=f"{metric} (%)").scale(zero=False, padding=8).axis(tickCount=5)
    each = told(("variant", "variant"), ("level", axis), ("accuracy", f"{metric} (%)", ".2f"))
    mean = told(("level", axis), ("accuracy", f"mean {metric} (%)", ".2f"), ("variants", "variants"))
    points_ = alt.Chart(alt.InlineData(values=dots)).mark_point(filled=True, size=40, color=BLUE, opacity=0.55)
    line = alt.Chart(alt.InlineData(values=means)).mark_line(
        color=AMBER, point=alt.OverlayMarkDef(size=70, color=AMBER)
    )
    title = f"{metric} by {axis}: each variant, and the mean"
    said = [f"{row['level']} {row['accuracy']:.2f} % ({amount(int(str(row['variants'])), 'variant')})" for row in means]
    layers = alt.layer(points_.encode(x=x, y=y, tooltip=each), line.encode(x=x, y=y, tooltip=mean))
    return finished(
        layers, file_stem("effect", axis), title, f"{title}. Means: {listed(said, 24)}.", width=330, height=230
    )


@debug_mode(False)
def pivot(rows: str, columns: str, spots: Sequence[Spot], metric: str) -> Chart:
    """Return accuracy by two axes of a matrix as a heat map, the best of it framed.

    Args:
        rows: The axis that goes down.
        columns: The axis that goes across.
        spots: The cells; those that the matrix lacks stay empty. Numbers are put in order.
        metric: What the accuracies are, in words.
    """
    down, across = (_in_order(texts) for texts in ([spot.row for spot in spots], [spot.column for spot in spots]))
    values = [spot.accuracy for spot in spots]
    low, range_ = min(values), max(values) - min(values)
    best = max(spots, key=lambda spot: spot.accuracy)
    data = [
        {
            "row": spot.row,
            "column": spot.column,
            "accuracy": in_percent(spot.accuracy),
            "figure": f"{spot.accuracy * 100:.1f}",
            "strength": round(0.08 + 0.92 * (spot.accuracy - low) / range_, 3) if range_ else 0.5,
            "variants": spot.count,
            "is_best": spot is best,
        }
        for spot in spots
    ]
    base = alt.Chart(alt.InlineData(values=data)).encode(
        x=alt.X("column:N", title=columns, sort=across).axis(labelAngle=0, orient="bottom", labelLimit=100),
        y=alt.Y("row:N", title=rows, sort=down).axis(labelLimit=130),
    )
    strength = alt.Opacity("strength:Q", legend=None).scale(domain=[0, 1], range=[0, 1])
    figures = told(("row", rows), ("column", columns), ("accuracy", f"{metric} (%)", ".2f"), ("variants", "variants"))
    layers = [
        base.mark_rect(color=HEAT_BLUE).encode(opacity=strength, tooltip=figures),
        base.transform_filter("datum.is_best").mark_rect(fillOpacity=0, stroke=INK, strokeWidth=1.5),
        base.mark_text(fontSize=11).encode(text="figure:N", tooltip=figures),
    ]
    title = f"{metric} (%) by {rows} and {columns}"
    where = f"{rows} {best.row}, {columns} {best.column}"
    words = f"{title}. Best: {percent(best.accuracy)} % at {where}; lowest {percent(low)} %."
    wide, high = max(280, 70 * len(across)), max(60, 34 * len(down))
    return finished(alt.layer(*layers), file_stem("pivot", rows, columns), title, words, width=wide, height=high)


def _with_intervals(span: tuple[float, float], rows: Sequence[Seeds]) -> tuple[float, float]:
    """Return a span with room for the intervals of what is in it."""
    low, high = span
    inside = [row for row in rows if max(row.values.values()) >= low]
    lows, highs = (
        [row.low for row in inside if row.low is not None],
        [row.high for row in inside if row.high is not None],
    )
    return max(0.0, min([low, *lows])), min(1.0, max([high, *highs]))


def _row_texts(base: alt.Chart, y: alt.Y, name: str, figure: str) -> list[alt.Chart]:
    """Return a row's name above its marks at the left, its figure at the right: a phone has room for both."""
    left = base.encode(x=alt.value(2), y=y, text=name)
    right = base.encode(x=alt.value(alt.ExprRef("width")), y=y, text=figure)
    border = base.transform_filter("datum.row > 0").mark_rule(color=LINE, yOffset=-ROW / 2).encode(y=y)
    return [
        border,
        *haloed(left, align="left", dy=UP, fontSize=11.5, limit=460),
        *haloed(right, align="right", dy=UP, fontSize=11.5, color=MUTED),
    ]


def _in_order(texts: Sequence[str]) -> list[str]:
    """Return an axis' values once each: numbers by size, others as they come."""
    once = list(dict.fromkeys(texts))
    try:
        return sorted(once, key=float)
    except ValueError:
        return once
