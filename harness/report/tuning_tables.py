"""Tables of a tuning study: best trials or Pareto front, confirmation, the winner's settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from harness.contracts import Confirmation, TrialFound, Tuning
from harness.measure.tuning_axes import short_titles, value_text
from harness.measure.tuning_points import front, ranking, sign_of, winner_of
from harness.report.blocks import Column, Run, Table, Value, named
from harness.report.tuning_figures import figure_value, own_settings
from harness.words import NOTHING, amount, duration, metric_difference, metric_heading

BEST: Final = 10
MOST_OF_FRONT: Final = 50


def trials_table(tuning: Tuning) -> Table | None:
    """Return the best ten trials, of several goals the Pareto front instead; None where none may win."""
    several = len(tuning.tune.objective.goals) > 1
    able = front(tuning) if several else ranking(tuning)
    shown = able[: MOST_OF_FRONT if several else BEST]
    if not shown:
        return None
    winner = winner_of(tuning)
    besides = (winner,) if winner is not None and winner not in shown else ()
    title = "Pareto front: no other trial is better in one goal and no worse in the rest" if several else "Best trials"
    columns = (Column("trial", numeric=False), Column("state", numeric=False), *_setting_columns(tuning))
    columns += (*_figure_columns(tuning), Column("time of fitting"))
    best_of = f"The best {len(shown)} of {amount(len(able), 'trial')} that may win; all are in trials.csv."
    notes = [best_of] if able != shown else []
    notes += [f"Trial {each.number} won on fresh seeds without being one of these." for each in besides]
    return Table(title, columns, tuple(_row(tuning, trial) for trial in (*shown, *besides)), tuple(notes))


def confirmation_table(tuning: Tuning) -> Table | None:
    """Return the trials that were fitted again on fresh seeds, the best mean first; None where there are none."""
    confirm, goal = tuning.tune.confirm, tuning.tune.objective.first
    if not tuning.confirmed:
        return None
    seeds = confirm.seeds if confirm is not None else ()
    places = range(max(len(seeds), *(len(each.values) for each in tuning.confirmed)))
    whole = all(len(each.values) == len(seeds) for each in tuning.confirmed)
    titles = [f"seed {seeds[place]}" if whole else f"value {place + 1}" for place in places]
    sign = sign_of(goal)
    ordered = sorted(tuning.confirmed, key=lambda each: math.inf if each.mean is None else -sign * each.mean)
    columns = [Column("trial", numeric=False), *map(Column, titles), Column("mean"), Column("standard error")]
    columns += [Column("search score"), Column("optimism", hint="search score minus the mean on fresh seeds")]
    rows = tuple(_confirmed_row(tuning, each, len(places)) for each in ordered)
    notes = ("Fewer values than seeds: a run failed.",) if not whole else ()
    return Table(f"The best again on fresh seeds: {metric_heading(goal.metric)}", tuple(columns), rows, notes)


def settings_table(tuning: Tuning) -> Table | None:
    """Return what the winner changed of the experiment's settings; None while there is no winner."""
    winner = winner_of(tuning)
    if winner is None:
        return None
    own, outside = own_settings(tuning), tuning.start.outside if tuning.start else ()
    columns = (Column("setting", numeric=False), Column("experiment", numeric=False), Column("winner", numeric=False))
    rows = []
    for path in tuning.tune.space:
        ours = value_text(winner.params[path]) if path in winner.params else NOTHING
        theirs = own.get(path, NOTHING) + (" (outside of the space)" if path in outside else "")
        rows.append((named(path), named(theirs), named(ours, "" if ours == own.get(path, NOTHING) else "good")))
    return Table(f"Settings of {tuning.experiment} and of the winner, trial {winner.number}", columns, tuple(rows))


def _row(tuning: Tuning, trial: TrialFound) -> tuple[Value, ...]:
    goals, costs = tuning.tune.objective.goals, _costs(tuning)
    settings = [_setting(trial, path) for path in tuning.tune.space]
    figures = [figure_value(goal.metric, value) for goal, value in zip(goals, trial.values, strict=True)]
    figures += [figure_value(metric, trial.costs.get(metric)) for metric in costs]
    name = Value(f"{trial.number}{_mark(tuning, trial.number)}", str(trial.number), runs=_runs(tuning, trial))
    return (name, named(trial.state), *settings, *figures, Value(duration(trial.seconds), trial.seconds))


def _mark(tuning: Tuning, number: int) -> str:
    marks = ["winner" if number == tuning.winner else "", "own settings" if number == 0 else ""]
    return f" ({', '.join(filter(None, marks))})" if any(marks) else ""


def _runs(tuning: Tuning, trial: TrialFound) -> tuple[Run, ...]:
    """Return the trial's runs: a single one has no name of its own, several go by their seeds."""
    if len(trial.run_ids) == 1:
        return (Run("", trial.run_ids[0]),)
    return tuple(Run(f"s{seed}", run) for seed, run in zip(tuning.tune.seeds, trial.run_ids, strict=False))


def _setting(trial: TrialFound, path: str) -> Value:
    value = trial.params.get(path)
    if path not in trial.params:
        return Value(NOTHING)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Value(value_text(value), float(str(value)) if is_number else value_text(value))


def _setting_columns(tuning: Tuning) -> list[Column]:
    titles = short_titles(tuning.tune.space)
    numeric = {path: hasattr(dimension, "low") for path, dimension in tuning.tune.space.items()}
    return [Column(titles[path], numeric=numeric[path], hint=path) for path in titles]


def _figure_columns(tuning: Tuning) -> list[Column]:
    goals = [Column(metric_heading(goal.metric), hint=goal.metric) for goal in tuning.tune.objective.goals]
    return [*goals, *(Column(metric_heading(metric), hint=metric) for metric in _costs(tuning))]


def _costs(tuning: Tuning) -> Sequence[str]:
    """Return the constrained metrics that are no goal as well."""
    goals = {goal.metric for goal in tuning.tune.objective.goals}
    return tuple(dict.fromkeys(name for trial in tuning.trials for name in trial.costs if name not in goals))


def _confirmed_row(tuning: Tuning, found: Confirmation, places: int) -> tuple[Value, ...]:
    metric = tuning.tune.objective.first.metric
    score = next((trial.values[0] for trial in tuning.trials if trial.number == found.trial and trial.values), None)
    optimism = None if score is None or found.mean is None else score - found.mean
    values = [*found.values, *[None] * (places - len(found.values))]
    known = len(found.run_ids) == places == len(found.values)
    runs = [(Run("", run),) for run in found.run_ids] if known else [()] * places
    return (
        Value(f"{found.trial}{_mark(tuning, found.trial)}", str(found.trial)),
        *(replace(figure_value(metric, value), runs=runs[place]) for place, value in enumerate(values)),
        *(figure_value(metric, value) for value in (found.mean, found.standard_error, score)),
        Value(NOTHING) if optimism is None else Value(metric_difference(metric, optimism), optimism),
    )
