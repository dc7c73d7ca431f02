"""How a search's figures are written: scores, costs, settings, and what came of the winner's final fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import JsonValue

from harness.contracts import Confirmation, Goal, TrialFound, Tuning
from harness.contracts.metrics import PEAK_BYTES
from harness.matrix import flatten
from harness.measure.tuning_axes import short_titles, value_text
from harness.measure.tuning_points import METRICS, sign_of
from harness.report.blocks import Value
from harness.words import NOTHING, is_share, metric_text, points

MEGABYTE: Final = 1e6


def figure_text(metric: str, value: float) -> str:
    """Return a metric's value with its unit.

    >>> figure_text("val/accuracy", 0.512), figure_text("memory/peak_bytes", 2.5e8), figure_text("val/loss", 1.2)
    ('51.20 %', '250 MB', '1.2')
    """
    if metric == PEAK_BYTES:
        return f"{value / MEGABYTE:,.0f} MB"
    return f"{metric_text(metric, value)} %" if is_share(metric) else metric_text(metric, value)


def figure_value(metric: str, value: float | None) -> Value:
    """Return a metric's value as it stands in a column that names the unit."""
    if value is None:
        return Value(NOTHING)
    return Value(figure_text(metric, value).removesuffix(" %"), value)


def figure_title(metric: str) -> str:
    """Return a column's heading.

    >>> figure_title("val/accuracy"), figure_title("model/parameters")
    ('val. accuracy %', 'parameters')
    """
    name = METRICS.get(metric, metric).replace("validation", "val.").replace("peak memory in bytes", "peak memory")
    return f"{name}{' %' if is_share(metric) else ''}"


def difference_text(metric: str, value: float) -> str:
    """Return a difference of two values of a metric, with its sign.

    >>> difference_text("val/accuracy", 0.0123), difference_text("val/loss", -0.2)
    ('+1.23 points', '-0.2')
    """
    if is_share(metric):
        return f"{points(value)} points"
    return f"{'-' if value < 0 else '+'}{figure_text(metric, abs(value))}"


def mean_text(metric: str, found: Confirmation) -> str:
    """Return a confirmation's mean and its standard error, which a single seed has not."""
    if found.mean is None:
        return NOTHING
    if found.standard_error is None:
        return f"{figure_text(metric, found.mean)} (one seed)"
    mean = figure_text(metric, found.mean).removesuffix(" %")
    return f"{mean} ± {figure_text(metric, found.standard_error)} (mean ± standard error)"


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
