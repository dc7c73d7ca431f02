"""What the charts of a search share: trials as marks, the scale of their scores, and what lies beyond it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import altair as alt

from harness.charts.style import (
    AMBER,
    BLUE,
    INK,
    LINE,
    MUTED,
    PAPER,
    chosen,
    haloed,
    legend,
    short,
    told,
    zoom,
)
from harness.contracts import Goal, TrialFound, Tuning
from harness.contracts.metrics import metric_of
from harness.measure.trials import setting_text, short_titles, sign_of
from harness.words import amount, duration, metric_name, metric_text

CROSS: Final = "M-0.8,-0.8L0.8,0.8M-0.8,0.8L0.8,-0.8"
STAR: Final = "M0,-1.5L0.44,-0.58L1.44,-0.44L0.72,0.28L0.9,1.28L0,0.8L-0.9,1.28L-0.72,0.28L-1.44,-0.44L-0.44,-0.58Z"
LOOKS: Final[Mapping[str, tuple[str, str, str, float]]] = {
    "complete": ("circle", BLUE, BLUE, 36),
    "duplicate": ("circle", BLUE, "transparent", 48),
    "infeasible": ("diamond", MUTED, "transparent", 38),
    "pruned": (CROSS, MUTED, "transparent", 28),
    "failed": ("triangle-down", INK, INK, 38),
    "start": ("square", INK, "transparent", 95),
    "winner": (STAR, PAPER, AMBER, 190),
    "front": ("square", AMBER, AMBER, 60),
}
"""Shape, stroke, fill and size: apart by shape, so that they can be told without color."""
STRIP: Final = 11
"""Pixels from the edge to what has no place on the scale; the border is twice as far."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The values of the first goal that an axis holds; those worse than its end lie beyond."""

    goal: Goal
    low: float
    high: float

    @classmethod
    def of(cls, goal: Goal, span: tuple[float, float], also: float | None = None) -> Scale:
        """Return the scale of a span, with room for one value more."""
        more = () if also is None else (also,)
        return cls(goal, min(*span, *more), max(*span, *more))

    @property
    def name(self) -> str:
        """The metric in words."""
        return metric_name(self.goal.metric)

    @property
    def is_upwards(self) -> bool:
        """Whether more is better."""
        return sign_of(self.goal) > 0

    def is_beyond(self, score: float | None) -> bool:
        """Whether a score is worse than the axis reaches."""
        return score is not None and (score < self.low if self.is_upwards else score > self.high)

    def holds(self, score: float | None) -> bool:
        """Whether a score has a place on the axis."""
        return score is not None and not self.is_beyond(score)

    def place(self, score: float) -> float:
        """Return where a score stands in [0, 1], 1 the best."""
        share = (score - self.low) / (self.high - self.low)
        return share if self.is_upwards else 1 - share

    def edge_text(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Return how many trials lie beyond the axis, and how far; empty where none does."""
        out = {row["trial"]: row["score"] for row in rows if self.is_beyond(row["score"])}
        if not out:
            return ""
        worst = (min if self.is_upwards else max)(out.values())
        ends = [metric_text(self.goal.metric, each) for each in (self.low if self.is_upwards else self.high, worst)]
        if self.is_upwards:
            return f"▼ {amount(len(out), 'trial')} below {ends[0]}, down to {ends[1]}"
        return f"▲ {amount(len(out), 'trial')} above {ends[0]}, up to {ends[1]}"

    def beyond(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Return the same as a sentence."""
        text = self.edge_text(rows)
        return f"Not on the scale: {text[2:]}." if text else ""

    def y(self, has_strip: bool, column: str = "value:Q") -> alt.Y:
        """Return the axis upwards, with room for a strip of what lies beyond at its worse end."""
        room = 0.1 * (self.high - self.low) if has_strip else 0.0
        low, high = (self.low - room, self.high) if self.is_upwards else (self.low, self.high + room)
        domain = [shown(self.goal, low), shown(self.goal, high)]
        ticks = [shown(self.goal, each) for each in round_numbers(self.low, self.high)]
        scale = alt.Scale(domain=domain, nice=False, zero=False)
        return alt.Y(
            column, title=goal_title(self.goal), scale=scale, axis=alt.Axis(values=ticks, format=goal_format(self.goal))
        )


def trial_row(tuning: Tuning, trial: TrialFound, kind: str, label: str, score: float | None) -> dict[str, Any]:
    """Return a trial as a row of data; `label` is what the legend calls its kind."""
    metric = tuning.tune.objective.first.metric
    return {
        "trial": trial.number,
        "kind": label,
        "size": LOOKS[kind][3],
        "score": None if score is None else short(score),
        "figure": "none" if score is None else metric_text(metric, score),
        "settings": settings_text(tuning, trial),
        "note": trial.note or (f"fitted in {duration(trial.seconds)}" if trial.seconds else "-"),
    }


def settings_text(tuning: Tuning, trial: TrialFound) -> str:
    """Return a trial's settings in short."""
    titles = short_titles(tuning.tune.space)
    return ", ".join(f"{titles.get(path, path)}={setting_text(value)}" for path, value in trial.params.items())


def looks_of(labels: Mapping[str, str], pick: alt.Parameter) -> dict[str, Any]:
    """Return how kinds of trials look, by what the legend calls them: a click there shows these alone."""
    domain, key = list(labels.values()), legend(list(labels.values()))
    shapes, strokes, fills, _ = (list(each) for each in zip(*(LOOKS[kind] for kind in labels), strict=True))
    return {
        "shape": alt.Shape("kind:N", legend=key).scale(domain=domain, range=shapes),
        "stroke": alt.Stroke("kind:N", legend=key).scale(domain=domain, range=strokes),
        "fill": alt.Fill("kind:N", legend=key).scale(domain=domain, range=fills),
        "size": alt.Size("size:Q", legend=None).scale(None),
        "opacity": alt.when(pick).then(alt.value(0.9)).otherwise(alt.value(0.06)),
    }


def scored_marks(
    rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str], scale: Scale, x: alt.X, **more: Any
) -> list[alt.Chart]:
    """Return trials as marks by their score, and a strip apart from the scale for those without a place on it.

    Args:
        rows: From `trial_row`, with the column of `x`.
        labels: Kind -> what the legend calls it, of all kinds among the rows.
        scale: The scale upwards.
        x: The axis across.
        more: Further encodings of the marks, as those of an axis across without numbers need.
    """
    inside = [{**row, "value": shown(scale.goal, row["score"])} for row in rows if scale.holds(row["score"])]
    outside = [dict(row) for row in rows if not scale.holds(row["score"])]
    pick = chosen("kind")
    looks = looks_of(labels, pick) | more
    looks["tooltip"] = told(
        ("trial", "trial"), ("kind", "is"), ("figure", scale.name), ("settings", "settings"), ("note", "note")
    )
    points = alt.Chart(alt.InlineData(values=inside), name="trials").mark_point(clip=True)
    drawn = points.encode(x=x, y=scale.y(bool(outside)), **looks).add_params(zoom(["y"] if more else ["x", "y"]), pick)
    return [drawn, *(_strip(outside, scale, x, looks) if outside else ())]


def round_numbers(low: float, high: float, is_log: bool = False) -> list[float]:
    """Return round numbers within [low, high]: powers of ten on a log scale of two decades or more.

    >>> round_numbers(0.13, 0.91), round_numbers(1e-4, 1.0, is_log=True)
    ([0.2, 0.4, 0.6, 0.8], [0.0001, 0.001, 0.01, 0.1, 1.0])
    """
    if is_log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        every = max(1, math.ceil(len(powers) / 6))
        factors = (1,) if high / low >= 100 else (1, 2, 5)
        numbers = [factor * 10.0**power for power in powers[::every] for factor in factors]
    else:
        raw = max((high - low) / 5, 1e-12)
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw * 0.999)
        numbers = [step * number for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    room = 1e-9 * (high - low)
    return [float(f"{number:.10g}") for number in numbers if low - room <= number <= high + room]


def goal_title(goal: Goal) -> str:
    """Return a goal's metric in words, with its unit."""
    units = {"share": " (%)", "seconds": " (s)", "bytes": " (bytes)"}
    return metric_name(goal.metric) + units.get(metric_of(goal.metric).kind, "")


def goal_format(goal: Goal) -> str:
    """Return the format (d3's) of a goal's axis."""
    return "~s" if metric_of(goal.metric).kind in {"count", "operations", "bytes"} else ".4~g"


def shown(goal: Goal, value: float) -> float:
    """Return a value as its axis has it: shares in percent."""
    return short(value * 100 if metric_of(goal.metric).kind == "share" else value)


def _strip(rows: Sequence[Mapping[str, Any]], scale: Scale, x: alt.X, looks: Mapping[str, Any]) -> list[alt.Chart]:
    """Return what has no place on the scale, beside its worse end and apart from it, with how many they are."""
    failed = sum(row["score"] is None for row in rows)
    none = f"{amount(failed, 'trial')} without a score" if failed else ""
    text = "\n".join(filter(None, (scale.edge_text(rows), none)))
    side: Literal["bottom", "top"] = "bottom" if scale.is_upwards else "top"
    down = [
        alt.value(alt.ExprRef(f"height - {away}")) if scale.is_upwards else alt.value(away)
        for away in (STRIP, 2 * STRIP, 2 * STRIP + 5)
    ]
    note = alt.Chart(alt.InlineData(values=[{"text": text}])).encode(x=alt.value(6), y=down[2], text="text:N")
    border = alt.Chart(alt.InlineData(values=[{}])).mark_rule(color=LINE, strokeWidth=1.5).encode(y=down[1])
    points = alt.Chart(alt.InlineData(values=list(rows))).mark_point(clip=True)
    return [
        border,
        points.encode(x=x, y=down[0], **looks),
        *haloed(note, align="left", color=MUTED, lineBreak="\n", baseline=side),
    ]
