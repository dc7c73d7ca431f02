"""The dimensions of a search as axes of a picture: numbers even or logarithmic, choices spaced."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.ticker import LogLocator, MaxNLocator
from pydantic import JsonValue

from harness.contracts import Choices, Range, TrialFound, Tuning
from harness.measure.trials import goal_text, score_span, tick_text

ABSENT: Final = -0.14
"""Where a trial stands on the axis of a dimension that it does not have: below all its values."""


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
    metric: str = ""
    """Of the axis of scores alone: what its numbers are."""

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
        values: Sequence[JsonValue] = self.choices or _round_numbers(self.low, self.high, self.is_log)
        texts = [tick_text(self.metric, float(str(each))) if self.metric else value_text(each) for each in values]
        return tuple(zip(map(self.place, values), texts, strict=True))


def axes_of(tuning: Tuning) -> tuple[Axis, ...]:
    """Return the axes of a space in file order; values outside of it (trial 0's) have room as well."""
    titles = short_titles(tuning.tune.space)
    return tuple(
        _axis(path, titles[path], dimension, [trial.params[path] for trial in tuning.trials if path in trial.params])
        for path, dimension in tuning.tune.space.items()
    )


def score_axis(tuning: Tuning) -> Axis | None:
    """Return the axis of the first goal's values, None where no trial has one."""
    span, goal = score_span(tuning), tuning.tune.objective.first
    return None if span is None else Axis("", goal_text(goal), *span, metric=goal.metric)


def short_titles(paths: Iterable[str]) -> dict[str, str]:
    """Return each path's last part, or all of it where another path ends in the same.

    >>> short_titles(["recipe.optimizer.name", "recipe.optimizer.lr"])
    {'recipe.optimizer.name': 'optimizer', 'recipe.optimizer.lr': 'lr'}
    """
    whole = {path: path.removesuffix(".name") for path in paths}
    last = {path: text.rpartition(".")[2] for path, text in whole.items()}
    return {path: end if list(last.values()).count(end) == 1 else whole[path] for path, end in last.items()}


def value_text(value: JsonValue) -> str:
    """Return a value of a matrix file in short.

    >>> [value_text(value) for value in (0.000316227, 64, True, None, [], ["flip", {"crop": {"pad": 4}}])]
    ['0.0003162', '64', 'true', 'none', 'none', 'flip+crop(pad=4)']
    """
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "+".join(map(value_text, value)) or "none"
    return _component(value) if isinstance(value, dict) else str(value)


def _component(written: Mapping[str, JsonValue]) -> str:
    """Return a component as name(options), whether it is written `{name: crop, pad: 4}` or `{crop: {pad: 4}}`."""
    ((first, below),) = tuple(written.items()) if len(written) == 1 else (("", None),)
    if isinstance(below, dict):
        name, options = first, below
    else:
        name, options = str(written.get("name", "")), {key: each for key, each in written.items() if key != "name"}
    inner = ",".join(f"{key}={value_text(each)}" for key, each in options.items())
    return f"{name}({inner})" if inner else name


def _axis(path: str, title: str, dimension: Range | Choices, found: Sequence[JsonValue]) -> Axis:
    conditional = bool(dimension.when)
    if isinstance(dimension, Choices):
        known = _texts(dimension.choices)
        more = {json.dumps(value): value for value in found if json.dumps(value) not in known}
        choices = (*dimension.choices, *more.values())
        return Axis(path, title, choices=choices, is_conditional=conditional)
    numbers = [dimension.low, dimension.high, *(float(each) for each in found if isinstance(each, int | float))]
    is_log = dimension.log and min(numbers) > 0
    return Axis(path, title, min(numbers), max(numbers), is_log, is_conditional=conditional)


def _texts(values: Iterable[JsonValue]) -> list[str]:
    return [json.dumps(value) for value in values]


def _round_numbers(low: float, high: float, is_log: bool) -> list[float]:
    """Return round numbers within [low, high]: powers of ten on a log scale of two decades or more."""
    if is_log and high / low >= 100:
        numbers = LogLocator(numticks=6).tick_values(low, high)
    elif is_log:
        numbers = LogLocator(subs=(1.0, 2.0, 5.0), numticks=6).tick_values(low, high)
    else:
        numbers = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    room = 1e-9 * (high - low)
    return [float(f"{number:.10g}") for number in numbers if low - room <= number <= high + room]
