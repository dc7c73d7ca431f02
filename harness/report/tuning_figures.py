"""How a search's figures are written: scores, costs, settings, and what came of the winner's final fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from harness.contracts import Confirmation, Goal, TrialFound, Tuning
from harness.matrix import flatten
from harness.measure.tuning_axes import short_titles, value_text
from harness.measure.tuning_points import sign_of
from harness.report.blocks import Value
from harness.words import NOTHING, metric_text


def figure_value(metric: str, value: float | None) -> Value:
    """Return a metric's value as it stands in a column that names the unit."""
    if value is None:
        return Value(NOTHING)
    return Value(metric_text(metric, value, unit=False), value)


def mean_text(metric: str, found: Confirmation) -> str:
    """Return a confirmation's mean and its standard error, which a single seed has not."""
    if found.mean is None:
        return NOTHING
    if found.standard_error is None:
        return f"{metric_text(metric, found.mean)} (one seed)"
    mean = metric_text(metric, found.mean, unit=False)
    return f"{mean} ± {metric_text(metric, found.standard_error)} (mean ± standard error)"


def gain(goal: Goal, ours: float, theirs: float) -> float:
    """Return by how much one value is better than another, more than 0 where it is."""
    return sign_of(goal) * (ours - theirs)


def settings_text(tuning: Tuning, params: Mapping[str, JsonValue]) -> str:
    """Return a trial's settings in one line, in the order of the space."""
    titles = short_titles(tuning.tune.space)
    return ", ".join(f"{titles[path]}={value_text(params[path])}" for path in titles if path in params)


def own_settings(tuning: Tuning) -> Mapping[str, str]:
    """Return the experiment's own settings as text, of the dimensions that exist at that point."""
    if tuning.start is not None:
        return {path: value_text(value) for path, value in tuning.start.params.items()}
    settings = flatten(tuning.tune.start)
    return {path: value_text(settings[path]) for path in tuning.tune.space if path in settings}


def confirmation_of(tuning: Tuning, number: int | None) -> Confirmation | None:
    """Return a trial's confirmation, None where it has none."""
    return next((each for each in tuning.confirmed if each.trial == number), None)


def distinct_runs(trials: Iterable[TrialFound | Confirmation]) -> int:
    """Return how many fits these took: a run that several trials share is one."""
    return len({run for each in trials for run in each.run_ids})
