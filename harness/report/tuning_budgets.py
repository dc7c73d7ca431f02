"""What each experiment's tuning cost, side by side: was the comparison fair?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.contracts import Tuning
from harness.report.blocks import Column, Table, Value, named
from harness.report.tuning_figures import distinct_runs
from harness.report.tuning_words import SAMPLERS, count_of_kinds
from harness.words import amount, duration

LEVEL: Final = 1.1
"""Budgets count as equal up to this ratio of the largest to the smallest."""
COLUMNS: Final = (
    Column("experiment", numeric=False),
    Column("sampler", numeric=False),
    Column("dimensions"),
    Column("trials"),
    Column("complete"),
    Column("pruned"),
    Column("failed"),
    Column("fits", hint="runs of search and confirmation; a duplicate takes none"),
    Column("time of fitting", hint="all trials and seeds together"),
    Column("time passed", hint="wall clock of search and confirmation"),
)


def budgets_table(tunings: Sequence[Tuning]) -> Table | None:
    """Return one row for each tuned experiment, None of fewer than two."""
    if len(tunings) < 2:
        return None
    return Table("What each experiment's tuning cost", COLUMNS, tuple(map(_row, tunings)), (verdict(tunings),))


def verdict(tunings: Sequence[Tuning]) -> str:
    """Return whether the experiments had the same number of trials, and if not, who had more."""
    if any(tuning.stage == "search" for tuning in tunings):
        return "Not all searches are over: whether budgets are equal cannot be said yet."
    trials = {tuning.experiment: _ended(tuning) for tuning in tunings}
    least, most = min(trials, key=lambda name: trials[name]), max(trials, key=lambda name: trials[name])
    if trials[most] <= LEVEL * trials[least]:
        return f"Equal budgets: {_between(trials[least], trials[most])} each."
    counts = f"{amount(trials[most], 'trial')} for {most}, {trials[least]} for {least}"
    return f"Budgets are not equal ({counts}): the comparison favors {most}."


def untuned_text(tunings: Sequence[Tuning], experiments: Sequence[str]) -> str:
    """Return which experiments were not tuned beside those that were; empty where all were."""
    tuned = {tuning.experiment for tuning in tunings}
    others = [name for name in dict.fromkeys(experiments) if name not in tuned]
    if not others or not tuned:
        return ""
    return f"Not tuned: {', '.join(others)}. A tuned experiment that is ahead of these may be so by its tuning alone."


def _row(tuning: Tuning) -> tuple[Value, ...]:
    counts = count_of_kinds(tuning)
    fitting = sum(trial.seconds for trial in tuning.trials)
    numbers = [len(tuning.tune.space), len(tuning.trials)]
    numbers += [counts.get(state, 0) for state in ("complete", "pruned", "failed")]
    numbers += [distinct_runs((*tuning.trials, *tuning.confirmed))]
    return (
        named(tuning.experiment),
        named(SAMPLERS[tuning.tune.sampler]),
        *(Value(f"{number:,}", number) for number in numbers),
        Value(duration(fitting), fitting),
        Value(duration(tuning.seconds), tuning.seconds),
    )


def _ended(tuning: Tuning) -> int:
    return sum(trial.state != "running" for trial in tuning.trials)


def _between(least: int, most: int) -> str:
    return amount(most, "trial") if least == most else f"{least} to {amount(most, 'trial')}"
