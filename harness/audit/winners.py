"""The winner of a search: the best by what was logged, and the final cell has its settings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Final

from harness.audit.evidence import Evidence
from harness.audit.finding import Finding
from harness.contracts import Confirmation, TrialFound, Tuning
from harness.measure.tuning_points import ranking, sign_of
from harness.report.store import Tuned
from harness.spec import flatten
from harness.track.runs import text_of

OF_THE_FINAL_FIT: Final = ("seed", "train_on", "test")
"""Settings in which the winner's cell may differ from its trial."""
RELATIVE: Final = 1e-9


def check_winner(evidence: Evidence, tuned: Tuned) -> tuple[Finding, ...]:
    """Return scores that their runs do not have, a winner that is not the best, a final cell of other settings."""
    tuning = tuned.tuning
    found = [*_wrong_scores(evidence, tuning)]
    if tuning.winner is not None:
        found += [*not_the_best(tuning)]
    if tuning.final is not None:
        found += [*_other_settings(evidence, tuning)]
    where = f"search {tuning.experiment}"
    return tuple(Finding(where, what, run_id or tuned.run_id) for what, run_id in found)


def _wrong_scores(evidence: Evidence, tuning: Tuning) -> Iterator[tuple[str, str]]:
    metric = tuning.tune.objective.first.metric
    for trial in tuning.trials:
        logged = _logged(evidence, trial.run_ids, metric)
        if trial.state == "complete" and logged and not math.isclose(fmean(logged), trial.values[0], rel_tol=RELATIVE):
            text = f"trial {trial.number} scored {trial.values[0]:g}, but its runs have {metric} {fmean(logged):g}"
            yield text, trial.run_ids[0]
    for each in tuning.confirmed:
        logged = _logged(evidence, each.run_ids, metric)
        if each.mean is not None and logged and not math.isclose(fmean(logged), each.mean, rel_tol=RELATIVE):
            text = f"trial {each.trial} was confirmed with {each.mean:g}, but its runs have {metric} {fmean(logged):g}"
            yield text, each.run_ids[0]


def _logged(evidence: Evidence, run_ids: tuple[str, ...], metric: str) -> list[float]:
    """Return what the runs have, nothing where one of them is not at hand."""
    runs = [evidence.by_id.get(run_id) for run_id in run_ids]
    values = [run.metrics[metric] for run in runs if run is not None and metric in run.metrics]
    return values if len(values) == len(runs) else []


def not_the_best(tuning: Tuning) -> Iterator[tuple[str, str]]:
    """Yield, with no run of its own, why the winner should not have won: by confirmed means, else by the search."""
    scores = _means(tuning.confirmed) if tuning.confirmed else {each.number: each.values[0] for each in ranking(tuning)}
    kind = "confirmed mean" if tuning.confirmed else "search score"
    mine = scores.get(tuning.winner or 0)
    if mine is None:
        yield f"its winner, trial {tuning.winner}, has no {kind} with which it could win", ""
        return
    sign = sign_of(tuning.tune.objective.first)
    best = max(scores, key=lambda number: sign * scores[number])
    if sign * scores[best] > sign * mine:
        yield f"trial {tuning.winner} won with a {kind} of {mine:g}, but trial {best} has {scores[best]:g}", ""


def _means(confirmed: tuple[Confirmation, ...]) -> Mapping[int, float]:
    """Return the confirmed means; a trial that failed on a seed cannot win over one that did not."""
    most = max(len(each.values) for each in confirmed)
    return {each.trial: each.mean for each in confirmed if each.mean is not None and len(each.values) == most}


def _other_settings(evidence: Evidence, tuning: Tuning) -> Iterator[tuple[str, str]]:
    """Yield settings of the final cell that are not those of the winning trial, by its runs and by its point."""
    assert tuning.final is not None
    final = {path: text_of(value) for path, value in flatten(tuning.final.cell).items()}
    trial = next((each for each in tuning.trials if each.number == tuning.winner), None)
    if trial is None:
        yield f"its winner, trial {tuning.winner}, is not among its trials", ""
        return
    runs = [run for run in map(evidence.by_id.get, trial.run_ids) if run is not None]
    logged = [(run.name, run.params) for run in runs[:1]]
    for name, settings in (*logged, (f"trial {trial.number}", _scalars(trial, final))):
        differing = _differing(settings, final)
        if differing:
            path = differing[0]
            others = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
            text = f"the winner's cell has {path} = {final.get(path, 'nothing')}, {name} has {settings[path]}{others}"
            yield text, runs[0].run_id if runs else ""


def _scalars(trial: TrialFound, final: Mapping[str, str]) -> dict[str, str]:
    """Return the trial's point, without lists and components, which a cell has spelled out."""
    scalars = {path: value for path, value in trial.params.items() if isinstance(value, str | int | float | bool)}
    return {path: text_of(value) for path, value in scalars.items() if path in final}


def _differing(settings: Mapping[str, str], final: Mapping[str, str]) -> list[str]:
    paths = [path for path in settings if path not in OF_THE_FINAL_FIT]
    return [path for path in paths if not _is_same(settings[path], final.get(path))]


def _is_same(one: str, other: str | None) -> bool:
    """Whether two settings are the same text or the same number."""
    if other is None or one == other:
        return one == other
    try:
        return float(one) == float(other)
    except ValueError:
        return False
