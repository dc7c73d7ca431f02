"""One tuning study told: what happened in sentences, how its figures are written, and its tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from harness.contracts import Confirmation, Goal, TrialFound, Tuning
from harness.matrix import flatten
from harness.measure.trials import front, goal_text, ranking, setting_text, short_titles, sign_of, winner_of
from harness.report.blocks import Column, Fact, Run, Table, Value, named
from harness.report.store import Entry
from harness.report.variants import TEST
from harness.words import (
    NOTHING,
    amount,
    duration,
    metric_difference,
    metric_heading,
    metric_name,
    metric_text,
    percent,
    percent_spread,
    spread_of,
)

SAMPLERS: Final = {
    "random": "random search",
    "grid": "a grid",
    "tpe": "TPE",
    "gp": "a Gaussian process",
    "cmaes": "CMA-ES",
    "qmc": "quasi-Monte Carlo points",
}
PRUNERS: Final = {
    "none": "no pruner",
    "median": "the median pruner",
    "hyperband": "the Hyperband pruner",
    "successive_halving": "the successive halving pruner",
    "patient": "the patient pruner",
}
SAME_IMAGES: Final = (
    "Fresh seeds do not renew the validation images: what was chosen on them is still somewhat better there than "
    "elsewhere"
)
BEST: Final = 10
MOST_OF_FRONT: Final = 50


def story(tuning: Tuning, finals: Sequence[Entry]) -> tuple[Fact, ...]:
    """Return what happened: first whether it is over at all, then budget, winner, comparison, and test set."""
    told = {
        "not over yet": _stage(tuning),
        "search": _budget(tuning),
        "winner": _winner(tuning),
        "on fresh seeds": _confirmed(tuning),
        "own settings": _default(tuning),
        "test set": _test(finals),
    }
    return tuple(Fact(name, text) for name, text in told.items() if text)


def count_of_kinds(tuning: Tuning) -> dict[str, int]:
    """Return how many trials are complete, pruned, failed, duplicates (complete too), infeasible (too), running."""
    counts: Counter[str] = Counter(trial.state for trial in tuning.trials)
    counts["duplicate"] = sum(trial.duplicate_of is not None for trial in tuning.trials)
    counts["infeasible"] = sum(not trial.is_feasible for trial in tuning.trials)
    return dict(counts)


def _stage(tuning: Tuning) -> str:
    if tuning.stage == "search":
        told = sum(trial.state != "running" for trial in tuning.trials)
        return f"The search is not over: {told} of {amount(tuning.tune.trials, 'trial')} have come to an end."
    if tuning.stage == "confirm":
        return "The search is over, but its best trials are still being fitted again on fresh seeds: no winner yet."
    return ""


def _budget(tuning: Tuning) -> str:
    counts, tune = count_of_kinds(tuning), tuning.tune
    parts = [f"{counts.get('complete', 0)} complete"]
    parts += [f"{counts[state]} {state}" for state in ("pruned", "failed", "running") if counts.get(state)]
    also = [f"{amount(counts['duplicate'], 'duplicate')} reused" if counts.get("duplicate") else ""]
    also += [f"{counts['infeasible']} beyond a constraint ({_constraints(tuning)})" if counts.get("infeasible") else ""]
    also += [f"{amount(tuning.retried, 'trial')} tried again after a worker died" if tuning.retried else ""]
    noted = f"; of them {', '.join(filter(None, also))}" if any(also) else ""
    fits, seconds = distinct_runs(tuning.trials), sum(trial.seconds for trial in tuning.trials)
    return (
        f"{tuning.experiment} was tuned for {_aims(tuning)} by {SAMPLERS[tune.sampler]} with {PRUNERS[tune.pruner]}: "
        f"{amount(len(tuning.trials), 'trial')} ({', '.join(parts)}{noted}) in {duration(tuning.seconds)}. "
        f"Their {amount(fits, 'fit')} took {duration(seconds)} in all."
    )


def _aims(tuning: Tuning) -> str:
    objective = tuning.tune.objective
    names = " and ".join(
        f"{'low ' if goal.direction == 'minimize' else ''}{goal_text(goal)}" for goal in objective.goals
    )
    return f"{names} (mean over {objective.seeds} seeds)" if objective.seeds > 1 else names


def _constraints(tuning: Tuning) -> str:
    limits = tuning.tune.constraints.items()
    texts = [f"{metric_name(metric)} at most {metric_text(metric, limit)}" for metric, limit in limits]
    return ", ".join(texts) or "none is set now"


def _winner(tuning: Tuning) -> str:
    able, winner = ranking(tuning), winner_of(tuning)
    if winner is None and not able:
        return "No trial is complete and within all constraints, so there is nothing to choose from."
    if winner is None:
        return f"None yet. So far {_named(tuning, able[0])} is ahead with {_score(tuning, able[0])}."
    text = f"{_named(tuning, winner, 'Trial')} won with a search score of {_score(tuning, winner)}"
    several = len(tuning.tune.objective.goals) > 1
    return f"{text}; {amount(len(front(tuning)), 'trial')} are on the Pareto front." if several else f"{text}."


def _confirmed(tuning: Tuning) -> str:
    """Say what fresh seeds made of the winner, and whom the search alone would have chosen."""
    found, goal = confirmation_of(tuning, tuning.winner), tuning.tune.objective.first
    winner = winner_of(tuning)
    if winner is None:
        return ""
    if found is None or found.mean is None or tuning.optimism is None:
        return "Not confirmed: the search score is the best of many and flatters the winner."
    favorite = tuning.favorite
    again = confirmation_of(tuning, favorite.number if favorite is not None else None)
    if favorite is None or again is None:
        return ""
    flattered, error = gain(goal, tuning.optimism, 0), again.standard_error or 0.0
    verdict = "the search flattered it" if flattered > 0 else "the search did not flatter it"
    verdict = "the search flattered it by no more than that error" if 0 < flattered <= error + 1e-9 else verdict
    optimism = f"{verdict} (optimism of the search {metric_difference(goal.metric, tuning.optimism)})"
    text = f"On {amount(len(found.values), 'fresh seed')} it reaches {mean_text(goal.metric, found)}"
    if favorite.number == winner.number:
        return f"{text}: {optimism}. {SAME_IMAGES}."
    return (
        f"{text}. By the search alone trial {favorite.number} would have won ({_score(tuning, favorite)}); on the same "
        f"seeds it reaches {mean_text(goal.metric, again)}: {optimism}. {SAME_IMAGES}."
    )


def _default(tuning: Tuning) -> str:
    """Hold the experiment's own settings beside the winner, on fresh seeds where both have them."""
    start, winner = tuning.start, winner_of(tuning)
    if start is None or not start.values:
        return "The experiment's own settings (trial 0) have no score." if start is not None else ""
    text = f"The experiment's own settings (trial 0) scored {_score(tuning, start)} in the search"
    outside = [short_titles(tuning.tune.space).get(path, path) for path in start.outside]
    text += f", with {' and '.join(outside)} outside of the space" if outside else ""
    if winner is None:
        return f"{text}."
    if winner.number == 0:
        return f"{text}: they are the winner, no other trial was chosen over them."
    again = [confirmation_of(tuning, number) for number in (winner.number, 0)]
    means = [each.mean for each in again if each is not None and each.mean is not None]
    ours, theirs = means if len(means) == 2 else (winner.values[0], start.values[0])
    where = "on the same fresh seeds" if len(means) == 2 else "in the search, which flatters the winner"
    return f"{text}; the winner is {_better(tuning, ours, theirs)} {where}."


def _better(tuning: Tuning, ours: float, theirs: float) -> str:
    goal, difference = tuning.tune.objective.first, ours - theirs
    size = metric_difference(goal.metric, abs(difference)).lstrip("+")
    if difference == 0:
        return "level with them"
    return f"{size} better" if gain(goal, ours, theirs) > 0 else f"{size} worse"


def _test(finals: Sequence[Entry]) -> str:
    if not finals:
        return "Still sealed: it is opened for the winner alone, once a seed."
    spread = spread_of(value for each in finals if (value := each.metric(TEST)) is not None)
    failed = next((each for each in finals if each.state == "failed"), None)
    if spread is not None and failed is None:
        if spread.count == 1:
            return f"Opened once, for the final fit of the winner: test accuracy {percent(spread.mean)} %."
        text = f"Opened once for each of the winner's {spread.count} seeds, which are the experiment's"
        return f"{text}: test accuracy {percent_spread(spread)} % (mean ± standard deviation over seeds)."
    if failed is not None:
        seed = f" with seed {failed.seed}" if len(finals) > 1 else ""
        lacking = "it has no test accuracy" if spread is None else "that seed has no test accuracy"
        return f"The final fit of the winner{seed} failed ({failed.reason}); {lacking}."
    if finals[0].planned.cell.test == "never":
        return "It stays sealed for this experiment."
    return "Still sealed: the winner is fixed, but its final fit has not opened it yet."


def _named(tuning: Tuning, trial: TrialFound, word: str = "trial") -> str:
    settings = settings_text(tuning, trial.params)
    return f"{word} {trial.number} ({settings})" if settings else f"{word} {trial.number}"


def _score(tuning: Tuning, trial: TrialFound) -> str:
    return metric_text(tuning.tune.objective.first.metric, trial.values[0])


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
    return ", ".join(f"{titles[path]}={setting_text(params[path])}" for path in titles if path in params)


def own_settings(tuning: Tuning) -> Mapping[str, str]:
    """Return the experiment's own settings as text, of the dimensions that exist at that point."""
    if tuning.start is not None:
        return {path: setting_text(value) for path, value in tuning.start.params.items()}
    settings = flatten(tuning.tune.start)
    return {path: setting_text(settings[path]) for path in tuning.tune.space if path in settings}


def confirmation_of(tuning: Tuning, number: int | None) -> Confirmation | None:
    """Return a trial's confirmation, None where it has none."""
    return next((each for each in tuning.confirmed if each.trial == number), None)


def distinct_runs(trials: Iterable[TrialFound | Confirmation]) -> int:
    """Return how many fits these took: a run that several trials share is one."""
    return len({run for each in trials for run in each.run_ids})


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
    return Table(title, columns, tuple(_trial_row(tuning, trial) for trial in (*shown, *besides)), tuple(notes))


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
        ours = setting_text(winner.params[path]) if path in winner.params else NOTHING
        theirs = own.get(path, NOTHING) + (" (outside of the space)" if path in outside else "")
        rows.append((named(path), named(theirs), named(ours, "" if ours == own.get(path, NOTHING) else "good")))
    return Table(f"Settings of {tuning.experiment} and of the winner, trial {winner.number}", columns, tuple(rows))


def _trial_row(tuning: Tuning, trial: TrialFound) -> tuple[Value, ...]:
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
    return Value(setting_text(value), float(str(value)) if is_number else setting_text(value))


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
