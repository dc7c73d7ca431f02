"""Check of searches: validation alone was looked at, and the winner, the best by what was logged, was fixed first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Final

from harness.audit.evidence import Evidence, Finding, altered_files, remark
from harness.contracts import Confirmation, Opening, PlannedCell, TrialFound, Tuning
from harness.matrix import flatten
from harness.measure.trials import ranking, sign_of
from harness.report.store import Tuned
from harness.track.copies import origin_of
from harness.track.journal import Entry
from harness.track.runs import text_of
from harness.words import iso_moment, iso_second

OF_THE_FINAL_FIT: Final = ("seed", "train_on", "test")
"""Settings in which the winner's cell may differ from its trial."""
RELATIVE: Final = 1e-9
FINAL: Final = "final"
"""The tag harness.stage of the winner's own run."""


def check_searches(evidence: Evidence) -> tuple[Finding, ...]:
    """Return openings by trials, openings before a winner was fixed, and winners that are not the best."""
    found = [*_opened_trials(evidence)]
    for tuned in evidence.tuned:
        found += [*_opened_too_early(evidence, tuned), *_without_winner(evidence, tuned)]
        found += [*_winner(evidence, tuned), *_unlike_journal(evidence, tuned)]
    return tuple(found)


def title_of(tuning: Tuning) -> str:
    """Return what a search is called."""
    return f"search {tuning.experiment}"


def _opened_trials(evidence: Evidence) -> Iterator[Finding]:
    """Yield trials and confirmations with an opening, whatever search they belong to."""
    trials = {run.key: run for run in evidence.runs if run.kind == "trial"}
    for opening in evidence.openings:
        run = evidence.by_id.get(opening.run_id)
        trial = run if run is not None and run.kind == "trial" else trials.get(opening.key)
        if trial is not None:
            what = f"is a trial of a search, and opened the test set at {iso_moment(opening.time)}"
            yield Finding(trial.name, what, trial.run_id)


def _opened_too_early(evidence: Evidence, tuned: Tuned) -> Iterator[Finding]:
    """Yield openings for a winner before it was fixed: by the journal, and by the clock where that does not know."""
    tuning, fixed = tuned.tuning, iso_second(tuned.tuning.winner_time)
    if tuning.final is None:
        return
    if fixed is None:
        yield Finding(title_of(tuning), "names a winner's cell, but not when the winner was fixed", tuned.run_id)
        return
    for opening in _final_openings(evidence, tuning.finals):
        second = iso_second(opening.time)
        by_clock = second is not None and second < fixed
        by_journal = _was_opened_first(evidence, tuned, opening)
        if by_journal or (by_journal is None and by_clock):
            yield _too_early(evidence, tuned, opening)
        elif by_clock:
            when = (
                f"the clock had {iso_moment(opening.time)}, when the winner was fixed {iso_moment(tuning.winner_time)}"
            )
            what = f"when the test set of {evidence.name(opening.key)} was opened {when}; the journal has it after that"
            yield remark(title_of(tuning), what, opening.run_id)


def _was_opened_first(evidence: Evidence, tuned: Tuned, opening: Opening) -> bool | None:
    """Whether the journal has an opening before the first entry of its cell as the winner; None if it has not both."""
    won = [
        entry
        for entry in _entries(evidence, tuned, "winner")
        if opening.key in entry.said.get("keys", ()) and entry.said.get("winner") == tuned.tuning.winner
    ]
    opened = evidence.entry_of(opening)
    return None if opened is None or not won else evidence.is_before(opened, won[0])


def _entries(evidence: Evidence, tuned: Tuned, kind: str) -> list[Entry]:
    """Return what the journal says of a search, by number."""
    run = evidence.run_of(tuned.run_id)
    ids = {tuned.run_id, origin_of(run) if run is not None else ""}
    return [entry for entry in evidence.entries if entry.kind == kind and entry.run_id in ids]


def _unlike_journal(evidence: Evidence, tuned: Tuned) -> Iterator[Finding]:
    """Yield what a search's account does not have as the journal has it: its files, its trials, its winner."""
    tuning, run = tuned.tuning, evidence.run_of(tuned.run_id)
    logged = _entries(evidence, tuned, "search")
    if not logged or run is None:
        if evidence.findings.journal:
            yield remark(
                title_of(tuning), "not recorded: an entry in the journal, by the version that ran it", tuned.run_id
            )
        return
    texts = [*altered_files(evidence, run, logged[-1])]
    numbers = {trial.number for trial in tuning.trials}
    for entry in _entries(evidence, tuned, "trial"):
        if entry.number < logged[-1].number and entry.said.get("trial") not in numbers:
            values = ", ".join(f"{value:g}" for value in entry.said.get("values", ())) or "no score"
            texts.append(
                f"trial {entry.said.get('trial')} ({values}) ended at {iso_moment(entry.time)}, and is not in it"
            )
    won = _entries(evidence, tuned, "winner")
    if won and tuning.winner is not None and won[-1].said.get("winner") != tuning.winner:
        when = iso_moment(won[-1].time)
        texts.append(f"its winner is trial {tuning.winner}; fixed was trial {won[-1].said.get('winner')} at {when}")
    yield from (Finding(title_of(tuning), text, tuned.run_id) for text in texts)


def _final_openings(evidence: Evidence, finals: Sequence[PlannedCell]) -> list[Opening]:
    """Return the openings of the winner's cells, and those of winners that the same search named before."""
    name = finals[0].places[-1].experiment
    former = {
        run.key
        for run in evidence.runs
        if run.tags.get("harness.stage") == FINAL and run.tags.get("harness.experiment") == name
    }
    return [opening for opening in evidence.openings if opening.key in {*(final.key for final in finals), *former}]


def _too_early(evidence: Evidence, tuned: Tuned, opening: Opening) -> Finding:
    """Return the finding; a winner that is one of the matrix's own cells could have been opened for that before."""
    where, run_id = title_of(tuned.tuning), opening.run_id
    when, fixed = iso_moment(opening.time), iso_moment(tuned.tuning.winner_time)
    if opening.key in {planned.key for planned in evidence.plan.cells}:
        what = f"its winner is a cell of the matrix, whose test set was opened at {when}, before it won at {fixed}"
        return remark(where, what, run_id)
    what = f"the test set of {evidence.name(opening.key)} was opened at {when}, before the winner was fixed at {fixed}"
    return Finding(where, what, run_id)


def _without_winner(evidence: Evidence, tuned: Tuned) -> Iterator[Finding]:
    """Yield openings for a winner that the search does not name."""
    tuning = tuned.tuning
    finals = {each.key for each in tuning.finals}
    planned = {each.key for each in evidence.plan.cells}
    for opening in evidence.openings:
        run = evidence.by_id.get(opening.run_id)
        if run is None or run.tags.get("harness.stage") != FINAL or opening.key in {*finals, *planned}:
            continue
        if run.tags.get("harness.experiment", "").removesuffix(" tuned") == tuning.experiment:
            what = f"{run.name} opened the test set as its winner, but its winner is another or not fixed"
            yield Finding(title_of(tuning), what, run.run_id)


def _winner(evidence: Evidence, tuned: Tuned) -> tuple[Finding, ...]:
    """Return scores that their runs do not have, a winner that is not the best, a final cell of other settings."""
    tuning = tuned.tuning
    found = [*_wrong_scores(evidence, tuning)]
    if tuning.winner is not None:
        found += [*not_the_best(tuning)]
    for final in tuning.finals:
        found += [*_other_settings(evidence, tuning, final)]
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


def _other_settings(evidence: Evidence, tuning: Tuning, cell: PlannedCell) -> Iterator[tuple[str, str]]:
    """Yield settings of a final cell that are not those of the winning trial, by its runs and by its point."""
    final = {path: text_of(value) for path, value in flatten(cell.cell).items()}
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
    return [path for path in paths if not is_same_setting(settings[path], final.get(path))]


def is_same_setting(one: str, other: str | None) -> bool:
    """Whether two settings are the same text or the same number."""
    if other is None or one == other:
        return one == other
    try:
        return float(one) == float(other)
    except ValueError:
        return False
