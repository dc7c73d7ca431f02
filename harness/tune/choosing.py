"""From trials to a winner: the best by search score, the best few again on fresh seeds, the best mean wins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from harness.contracts import Confirmation, Outcome, TrialFound, Tune


def ranked(trials: Sequence[TrialFound], tune: Tune) -> list[TrialFound]:
    """Return the trials that may win, the best first: complete, within all constraints, each setting once."""
    sign = -1 if tune.objective.first.direction == "maximize" else 1
    able = [each for each in trials if each.state == "complete" and each.is_feasible and each.duplicate_of is None]
    return sorted(able, key=lambda each: (sign * each.values[0], each.number))


def confirmation(found: TrialFound, outcomes: Sequence[Outcome], metric: str) -> Confirmation:
    """Return what a trial's runs on fresh seeds say; a run that failed has no value."""
    values = [outcome.metrics[metric] for outcome in outcomes if metric in outcome.metrics]
    values = [value for value in values if math.isfinite(value)]
    return Confirmation(
        trial=found.number,
        values=tuple(values),
        mean=fmean(values) if values else None,
        standard_error=stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None,
        run_ids=tuple(outcome.run_id for outcome in outcomes if outcome.run_id),
    )


def winner(confirmed: Sequence[Confirmation], tune: Tune) -> int | None:
    """Return the number of the trial with the best mean, in case of a tie the better one in the search.

    A trial that failed on one of the fresh seeds cannot win over one that did not.
    """
    sign = -1 if tune.objective.first.direction == "maximize" else 1
    most = max((len(each.values) for each in confirmed), default=0)
    whole = [each for each in confirmed if each.mean is not None and len(each.values) == most]
    best = min(whole, key=lambda each: sign * (each.mean or 0.0), default=None)
    return None if best is None else best.trial
