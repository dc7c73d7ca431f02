"""What happened in a tuning study, in sentences: the budget, the winner, and how far its score can be trusted."""

from __future__ import annotations

from collections import Counter
from typing import Final

from harness.contracts import TrialFound, Tuning
from harness.measure.tuning_axes import short_titles
from harness.measure.tuning_points import front, goal_text, ranking, winner_of
from harness.report.blocks import Fact
from harness.report.store import Entry
from harness.report.tuning_figures import confirmation_of, gain, mean_text, settings_text
from harness.report.variants import TEST
from harness.words import amount, duration, metric_difference, metric_name, metric_text, percent

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


def story(tuning: Tuning, final: Entry | None) -> tuple[Fact, ...]:
    """Return what happened: first whether it is over at all, then budget, winner, comparison, and test set."""
    told = {
        "not over yet": _stage(tuning),
        "search": _budget(tuning),
        "winner": _winner(tuning),
        "on fresh seeds": _confirmed(tuning),
        "own settings": _default(tuning),
        "test set": _test(final),
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
    return (
        f"{tuning.experiment} was tuned for {_aims(tuning)} by {SAMPLERS[tune.sampler]} with {PRUNERS[tune.pruner]}: "
        f"{amount(len(tuning.trials), 'trial')} ({', '.join(parts)}{noted}) in {duration(tuning.seconds)}."
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
    flattered, error = gain(goal, tuning.optimism, 0), found.standard_error or 0.0
    verdict = "the search flattered it" if flattered > 0 else "the search did not flatter it"
    verdict = "the search flattered it by no more than that error" if 0 < flattered <= error + 1e-9 else verdict
    text = (
        f"On {amount(len(found.values), 'fresh seed')} it reaches {mean_text(goal.metric, found)}: {verdict} "
        f"(optimism of the search {metric_difference(goal.metric, tuning.optimism)})."
    )
    first = ranking(tuning)[0]
    other = f" By the search alone trial {first.number} would have won ({_score(tuning, first)})."
    return text + (other if first.number != winner.number else "")


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


def _test(final: Entry | None) -> str:
    if final is None:
        return "Still sealed: it is opened for the winner alone, once."
    accuracy = final.metric(TEST)
    if accuracy is not None:
        return f"Opened once, for the final fit of the winner: test accuracy {percent(accuracy)} %."
    if final.state == "failed":
        return f"The final fit of the winner failed ({final.reason}); it has no test accuracy."
    if final.planned.cell.test == "never":
        return "It stays sealed for this experiment."
    return "Still sealed: the winner is fixed, but its final fit has not opened it yet."


def _named(tuning: Tuning, trial: TrialFound, word: str = "trial") -> str:
    settings = settings_text(tuning, trial.params)
    return f"{word} {trial.number} ({settings})" if settings else f"{word} {trial.number}"


def _score(tuning: Tuning, trial: TrialFound) -> str:
    return metric_text(tuning.tune.objective.first.metric, trial.values[0])
