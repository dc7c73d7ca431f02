"""Trials of a search: in order of merit, the running best, the Pareto front, and how their settings are written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from pydantic import JsonValue

from harness.contracts import Goal, TrialFound, Tuning
from harness.contracts.metrics import metric_of
from harness.words import metric_name, short_names, value_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["complete", "duplicate", "infeasible", "pruned", "failed"]
MOST_LINES: Final = 150
ROOM_BELOW: Final = 3.0
"""How many times the distance from the best to the median a scale of scores holds."""


@dataclass(frozen=True, slots=True)
class Point:
    """A trial in the history. `score` is the first goal's value; a pruned one's is what was seen last."""

    number: int
    kind: Kind
    score: float | None


def ranking(tuning: Tuning) -> tuple[TrialFound, ...]:
    """Return the trials that may win, the best by the first goal first; a duplicate stands in its original's place."""
    sign = sign_of(tuning.tune.objective.first)
    able = [trial for trial in tuning.trials if _may_win(trial) and trial.duplicate_of is None]
    return tuple(sorted(able, key=lambda trial: (-sign * trial.values[0], trial.number)))


def front(tuning: Tuning) -> tuple[TrialFound, ...]:
    """Return the trials that may win and that no other one beats in all goals, the best by the first goal first.

    A trial is dominated if another is at least as good in each goal and better in one (Deb 2001,
    Multi-Objective Optimization using Evolutionary Algorithms, section 2.4).
    """
    able = ranking(tuning)
    signs = [sign_of(goal) for goal in tuning.tune.objective.goals]
    merits = np.array([trial.values for trial in able]).reshape(len(able), len(signs)) * signs
    return tuple(trial for trial, merit in zip(able, merits, strict=True) if not _is_dominated(merit, merits))


def points_of(tuning: Tuning) -> tuple[Point, ...]:
    """Return the trials that have come to an end, in order of their numbers."""
    ended = (trial for trial in tuning.trials if trial.state != "running")
    return tuple(Point(trial.number, _kind(trial), _score(trial)) for trial in ended)


def running_best(tuning: Tuning) -> tuple[tuple[int, float], ...]:
    """Return number and score of each trial that was the best so far among those that may win."""
    sign, best = sign_of(tuning.tune.objective.first), -math.inf
    steps: list[tuple[int, float]] = []
    for trial in tuning.trials:
        if _may_win(trial) and sign * trial.values[0] > best:
            best = sign * trial.values[0]
            steps.append((trial.number, trial.values[0]))
    return tuple(steps)


def score_span(tuning: Tuning) -> tuple[float, float] | None:
    """Return a range of scores to show, None without any.

    Trials at chance level would press all that matters into one line, so that those much worse than
    the median are left outside.
    """
    scores = [point.score for point in points_of(tuning) if point.score is not None]
    if not scores:
        return None
    sign = sign_of(tuning.tune.objective.first)
    merits = [sign * score for score in scores]
    best = max(merits)
    middle = median(merits)
    worst = max(min(merits), best - ROOM_BELOW * (best - middle)) if middle < best else min(merits)
    room = 0.06 * (best - worst) or 0.05 * abs(best) or 0.5
    low, high = sorted((sign * (worst - room), sign * (best + room)))
    return low, high


def strong_and_weak(tuning: Tuning) -> tuple[tuple[TrialFound, ...], tuple[TrialFound, ...]]:
    """Return the best tenth (3 to 20 trials), and the other complete ones, evenly thinned to 150 in all."""
    able = ranking(tuning)
    strong = able[: min(20, max(3, len(able) // 10))]
    numbers = {trial.number for trial in strong}
    scored = [trial for trial in tuning.trials if trial.state == "complete" and _score(trial) is not None]
    rest = [trial for trial in scored if trial.duplicate_of is None]
    return strong, tuple(_thinned([trial for trial in rest if trial.number not in numbers], MOST_LINES - len(strong)))


def winner_of(tuning: Tuning) -> TrialFound | None:
    """Return the chosen trial, None as long as there is none."""
    return next((trial for trial in tuning.trials if trial.number == tuning.winner), None)


def sign_of(goal: Goal) -> int:
    """Return 1 where more is better, -1 where less is."""
    return 1 if goal.direction == "maximize" else -1


def goal_text(goal: Goal) -> str:
    """Return a goal's metric in words.

    >>> goal_text(Goal(metric="val/loss", direction="minimize"))
    'validation loss'
    """
    return metric_name(goal.metric)


def tick_text(metric: str, value: float) -> str:
    """Return a round value of a metric as an axis has it.

    >>> tick_text("val/accuracy", 0.525), tick_text("model/parameters", 250000.0), tick_text("time/train_seconds", 90.0)
    ('52.5 %', '250k', '90 s')
    """
    kind = metric_of(metric).kind
    if kind == "share":
        return f"{value * 100:.4g} %"
    if kind == "seconds":
        return f"{value:,.4g} s"
    if abs(value) < 1000:
        return f"{value:.4g}"
    sizes = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
    return next(f"{value / size:.4g}{unit}" for size, unit in sizes if abs(value) >= size)


def short_titles(paths: Iterable[str]) -> dict[str, str]:
    """Return each path's shortest end that no other path has.

    >>> short_titles(["recipe.optimizer.name", "recipe.optimizer.lr"])
    {'recipe.optimizer.name': 'optimizer', 'recipe.optimizer.lr': 'lr'}
    """
    every = list(paths)
    return dict(zip(every, short_names(every), strict=True))


def setting_text(value: JsonValue) -> str:
    """Return a setting that a sampler drew, its numbers with four figures.

    >>> [setting_text(value) for value in (0.000316227, 64.0, True, None, ["flip", {"crop": {"pad": 4}}])]
    ['0.0003162', '64', 'true', 'none', 'flip+crop(pad=4)']
    """
    return value_text(_plain(value), full=True)


def _may_win(trial: TrialFound) -> bool:
    return (
        trial.state == "complete" and trial.is_feasible and bool(trial.values) and all(map(math.isfinite, trial.values))
    )


def _kind(trial: TrialFound) -> Kind:
    if trial.state in {"failed", "pruned"}:
        return "failed" if trial.state == "failed" else "pruned"
    if not trial.is_feasible:
        return "infeasible"
    return "complete" if trial.duplicate_of is None else "duplicate"


def _score(trial: TrialFound) -> float | None:
    if trial.state == "pruned" and trial.epochs:
        seen = trial.epochs[max(trial.epochs)]
    elif trial.state == "complete" and trial.values:
        seen = trial.values[0]
    else:
        return None
    return seen if math.isfinite(seen) else None


def _is_dominated(merit: NDArray[np.float64], merits: NDArray[np.float64]) -> bool:
    return bool(np.any(np.all(merits >= merit, axis=1) & np.any(merits > merit, axis=1)))


def _thinned(trials: Sequence[TrialFound], most: int) -> list[TrialFound]:
    places = np.unique(np.linspace(0, len(trials) - 1, min(len(trials), most)).round().astype(int)) if trials else ()
    return [trials[int(place)] for place in places]


def _plain(value: JsonValue) -> JsonValue:
    """Return a setting, numbers as text, components as `{name: crop, pad: 4}` where it says `{crop: {pad: 4}}`."""
    match value:
        case float():
            return f"{value:.4g}"
        case list():
            return [_plain(each) for each in value]
        case dict():
            plain = {name: _plain(each) for name, each in value.items()}
            ((name, below),) = plain.items() if len(plain) == 1 else (("", None),)
            return {"name": name, **below} if isinstance(below, dict) else plain
    return value
