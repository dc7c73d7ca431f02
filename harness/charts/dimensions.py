"""Charts of a search's dimensions: all of them as parallel coordinates, and each by itself."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
from altair.utils.schemapi import debug_mode
from pydantic import JsonValue

from harness.charts.style import (
    AMBER,
    BLUE,
    MUTED,
    Chart,
    chosen,
    finished,
    haloed,
    legend,
    pointed,
    short,
    told,
    without_middle,
)
from harness.charts.trial_marks import Scale, goal_title, round_numbers, scored_marks, settings_text, trial_row
from harness.contracts import Choices, Range, TrialFound, Tuning
from harness.escape import file_stem
from harness.measure.trials import (
    ranking,
    score_span,
    setting_text,
    short_titles,
    strong_and_weak,
    tick_text,
    winner_of,
)
from harness.words import amount, metric_text

ABSENT: Final = -0.14
"""Where a trial stands on the axis of a dimension that it does not have, or whose values do not reach so far."""
WIDEST_NAME: Final = 16


@dataclass(frozen=True, slots=True)
class Axis:
    """A dimension's values on a line from 0 to 1; `choices` is empty for numbers."""

    path: str
    title: str
    low: float = 0.0
    high: float = 1.0
    is_log: bool = False
    choices: tuple[JsonValue, ...] = ()
    is_conditional: bool = False

    def place(self, value: JsonValue) -> float:
        """Return where a value stands in [0, 1].

        Raises:
            ValueError: a choice that is not on this axis.
        """
        if self.choices:
            return (_texts(self.choices).index(json.dumps(value)) + 0.5) / len(self.choices)
        assert isinstance(value, int | float)
        low, high, number = (math.log(each) if self.is_log else each for each in (self.low, self.high, float(value)))
        return (number - low) / (high - low) if high > low else 0.5

    def place_in(self, trial: TrialFound) -> float | None:
        """Return where a trial stands, None if it has no such dimension."""
        return self.place(trial.params[self.path]) if self.path in trial.params else None

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Places in [0, 1] and what is written there: all choices, or about five round numbers."""
        if self.choices:
            return tuple((self.place(value), setting_text(value)) for value in self.choices)
        numbers = round_numbers(self.low, self.high, self.is_log)
        return tuple((self.place(number), f"{number:.4g}") for number in numbers)


@debug_mode(False)
def parallel_coordinates(tuning: Tuning) -> Chart | None:
    """Return a line a trial across all dimensions to its score; None where no trial may win.

    The best tenth is strong, the winner amber. A line runs below an axis where the trial has no such dimension, or a
    score much worse than the others.
    """
    span = score_span(tuning)
    if span is None or not ranking(tuning):
        return None
    scale, rulers = Scale.of(tuning.tune.objective.first, span), axes_of(tuning)
    strong, weak = strong_and_weak(tuning)
    winner = winner_of(tuning)
    groups = {f"{len(weak)} others": weak, f"best {len(strong)}": strong}
    groups |= {f"winner (trial {winner.number})": (winner,)} if winner is not None and winner.values else {}
    groups = {name: trials for name, trials in groups.items() if trials}
    rows = [
        {"trial": trial.number, "axis": axis, "place": short(place), "group": group}
        for group, trials in groups.items()
        for trial in trials
        for axis, place in enumerate(line_of(trial, rulers, scale))
    ]
    about = [
        trial_row(tuning, trial, "complete", "", trial.values[0]) for trials in groups.values() for trial in trials
    ]
    ticks, beyond = _ruler_rows(rulers, scale), scale.beyond(about)
    if beyond:
        ticks.append({"axis": len(rulers), "place": ABSENT, "text": scale.edge_text(about)})
    titles = [f"{axis.title} (log)" if axis.is_log else axis.title for axis in rulers] + [goal_title(scale.goal)]
    named = alt.Axis(orient="top", labelExpr="titles[datum.value]", labelAngle=0, labelLimit=125, labelOverlap=False)
    points = alt.Scale(type="point", domain=list(range(len(titles))), padding=0.5)
    x = alt.X("axis:O", title=None, scale=points, axis=named)
    lowest = ABSENT if beyond or any(ruler.is_conditional for ruler in rulers) else 0.0
    y = alt.Y("place:Q", axis=None).scale(domain=[lowest - 0.05, 1.03], nice=False)
    domain, pick = list(groups), chosen("group")
    widths = [1.6 if name.startswith("best") else 3 if name.startswith("winner") else 0.8 for name in domain]
    hues = [BLUE if name.startswith("best") else AMBER if name.startswith("winner") else MUTED for name in domain]
    color = alt.Color("group:N", legend=legend(domain)).scale(domain=domain, range=hues)
    near = pointed("near")
    dim = alt.when(near).then(alt.value(1)).when(pick).then(alt.value(0.75)).otherwise(alt.value(0.04))
    base = alt.Chart().encode(
        x=x,
        y=y,
        detail="trial:N",
        color=color,
        opacity=dim,
        tooltip=told(("trial", "trial"), ("figure", scale.name), ("settings", "settings")),
    )
    details = alt.LookupData(data=alt.InlineData(values=about), key="trial", fields=["figure", "settings"])
    known = base.transform_lookup(lookup="trial", from_=details)
    lines = [
        known.transform_filter(f"datum.group === {json.dumps(name)}").mark_line(strokeWidth=width, strokeJoin="round")
        for name, width in zip(domain, widths, strict=True)
    ]
    lines[0] = lines[0].properties(name="lines").add_params(pick, near)
    marks = alt.Chart(alt.InlineData(values=ticks)).encode(x=x, y=y)
    posts = alt.Chart(alt.InlineData(values=[{"axis": place, "place": 0, "end": 1} for place in range(len(titles))]))
    texts = marks.encode(text="text:N")
    layers = [
        posts.mark_rule(strokeWidth=1).encode(x=x, y=y, y2="end:Q"),
        *lines,
        marks.mark_tick(orient="horizontal", size=7, thickness=1, color=MUTED),
        *haloed(texts, align="left", dx=6, fontSize=10.5),
    ]
    drawn = alt.layer(*layers, data=alt.InlineData(values=rows)).add_params(alt.param(name="titles", value=titles))
    title = f"{tuning.experiment}: settings of the trials, and where they led"
    best = [
        f"{metric_text(scale.goal.metric, trial.values[0])} with {settings_text(tuning, trial)}" for trial in strong[:3]
    ]
    words = f"{title}: {', '.join(domain)}. Best: {'; '.join(best)}. {beyond}"
    stem, wide = file_stem("search", tuning.experiment, "parallel"), 118 * len(titles)
    return finished(drawn, stem, title, words, width=max(420, wide), height=300, narrowest=100 * len(titles))


def slices(tuning: Tuning) -> list[Chart]:
    """Return the first goal against each dimension of the trials that may win; none where no trial may."""
    span = score_span(tuning)
    if span is None or not ranking(tuning):
        return []
    return [_slice(tuning, axis, Scale.of(tuning.tune.objective.first, span)) for axis in axes_of(tuning)]


def axes_of(tuning: Tuning) -> tuple[Axis, ...]:
    """Return the axes of a space in file order; values outside of it (trial 0's) have room as well."""
    titles = short_titles(tuning.tune.space)
    return tuple(
        _axis(path, titles[path], dimension, [trial.params[path] for trial in tuning.trials if path in trial.params])
        for path, dimension in tuning.tune.space.items()
    )


def line_of(trial: TrialFound, axes: Sequence[Axis], scale: Scale) -> list[float]:
    """Return where a trial stands on each axis and on that of the score; below it where it has no place there."""
    places = [axis.place_in(trial) for axis in axes]
    score = ABSENT if scale.is_beyond(trial.values[0]) else scale.place(trial.values[0])
    return [*(ABSENT if place is None else place for place in places), score]


@debug_mode(False)
def _slice(tuning: Tuning, axis: Axis, scale: Scale) -> Chart:
    able, winner = ranking(tuning), winner_of(tuning)
    groups = {"complete": ("a trial", [trial for trial in able if trial != winner])}
    groups |= {"winner": ("the winner", [winner])} if winner is not None and winner.values else {}
    rows = [
        trial_row(tuning, trial, kind, label, trial.values[0]) | _across(axis, trial)
        for kind, (label, trials) in groups.items()
        for trial in trials
        if axis.path in trial.params
    ]
    labels = {kind: label for kind, (label, _) in groups.items()}
    names = [_cut(text) for _, text in axis.ticks] if axis.choices else []
    heading = f"{axis.title}, logarithmic" if axis.is_log else axis.title
    more: dict[str, alt.XOffset] = {}
    if axis.choices:
        label = alt.Axis(labelExpr="names[datum.value]", labelAngle=0, labelLimit=90, grid=False)
        across = alt.X("across:O", title=heading, axis=label).scale(domain=list(range(len(names))))
        more["xOffset"] = alt.XOffset("jitter:Q").scale(domain=[-1, 1])
    else:
        values = round_numbers(axis.low, axis.high, axis.is_log)
        across = alt.X("across:Q", title=heading, axis=alt.Axis(values=values, format=".3~g", grid=False))
        across = across.scale(
            type="log" if axis.is_log else "linear", domain=[axis.low, axis.high], nice=False, padding=8
        )
    layers = alt.layer(*scored_marks(rows, labels, scale, across, **more)).add_params(
        alt.param(name="names", value=names)
    )
    lacking = len(able) - len({row["trial"] for row in rows})
    without = f" {amount(lacking, 'trial')} without it." if lacking else ""
    title = f"{scale.name} against {axis.title}"
    words = f"{tuning.experiment}: {title}, {amount(len(rows), 'trial')}.{without} {scale.beyond(rows)}"
    stem = file_stem("search", tuning.experiment, "slice", axis.title)
    return finished(layers, stem, title, words, width=300, height=210)


def _across(axis: Axis, trial: TrialFound) -> dict[str, JsonValue]:
    """Return where a trial stands in a slice; those of one choice are spread by their numbers (golden ratio)."""
    value = trial.params[axis.path]
    if axis.choices:
        place = _texts(axis.choices).index(json.dumps(value))
        return {"across": place, "jitter": round(1.1 * ((trial.number * 0.618034) % 1 - 0.5), 3)}
    return {"across": short(float(str(value)))}


def _ruler_rows(rulers: Sequence[Axis], scale: Scale) -> list[dict[str, Any]]:
    """Return what is written along the axes of parallel coordinates: numbers, choices, and what is not there."""
    rows: list[dict[str, Any]] = []
    for number, ruler in enumerate(rulers):
        absent = [(ABSENT, "not there")] if ruler.is_conditional else []
        rows += [{"axis": number, "place": short(at), "text": _cut(text)} for at, text in (*ruler.ticks, *absent)]
    for value in round_numbers(scale.low, scale.high):
        text = tick_text(scale.goal.metric, value)
        rows.append({"axis": len(rulers), "place": short(scale.place(value)), "text": text})
    return rows


def _cut(text: str) -> str:
    return without_middle(text, WIDEST_NAME)


def _axis(path: str, title: str, dimension: Range | Choices, found: Sequence[JsonValue]) -> Axis:
    conditional = bool(dimension.when)
    if isinstance(dimension, Choices):
        known = _texts(dimension.choices)
        more = {json.dumps(value): value for value in found if json.dumps(value) not in known}
        return Axis(path, title, choices=(*dimension.choices, *more.values()), is_conditional=conditional)
    numbers = [dimension.low, dimension.high, *(float(each) for each in found if isinstance(each, int | float))]
    is_log = dimension.log and min(numbers) > 0
    return Axis(path, title, min(numbers), max(numbers), is_log, is_conditional=conditional)


def _texts(values: Sequence[JsonValue]) -> list[str]:
    return [json.dumps(value) for value in values]
