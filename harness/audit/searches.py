"""Check: a search looked at validation alone, and its winner was fixed before the test set was opened."""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.evidence import Evidence
from harness.audit.finding import Finding, remark
from harness.audit.winners import check_winner
from harness.contracts import Opening, PlannedCell, Tuning
from harness.report.store import Tuned
from harness.words import iso_moment, iso_second

FINAL = "final"
"""The tag harness.stage of the winner's own run."""


def check_searches(evidence: Evidence) -> tuple[Finding, ...]:
    """Return openings by trials, openings before a winner was fixed, and winners that are not the best."""
    found = [*_opened_trials(evidence)]
    for tuned in evidence.tuned:
        found += [*_opened_too_early(evidence, tuned), *_without_winner(evidence, tuned)]
        found += check_winner(evidence, tuned)
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
    """Yield openings for a winner before it was fixed."""
    tuning, fixed = tuned.tuning, iso_second(tuned.tuning.winner_time)
    if tuning.final is None:
        return
    if fixed is None:
        yield Finding(title_of(tuning), "names a winner's cell, but not when the winner was fixed", tuned.run_id)
        return
    for opening in _final_openings(evidence, tuning.final):
        second = iso_second(opening.time)
        if second is not None and second < fixed:
            yield _too_early(evidence, tuned, opening)


def _final_openings(evidence: Evidence, final: PlannedCell) -> list[Opening]:
    """Return the openings of the winner's cell, and those of winners that the same search named before."""
    name = final.places[-1].experiment
    former = {
        run.key
        for run in evidence.runs
        if run.tags.get("harness.stage") == FINAL and run.tags.get("harness.experiment") == name
    }
    return [opening for opening in evidence.openings if opening.key in {final.key, *former}]


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
    final = None if tuning.final is None else tuning.final.key
    planned = {each.key for each in evidence.plan.cells}
    for opening in evidence.openings:
        run = evidence.by_id.get(opening.run_id)
        if run is None or run.tags.get("harness.stage") != FINAL or opening.key in {final, *planned}:
            continue
        if run.tags.get("harness.experiment", "").removesuffix(" tuned") == tuning.experiment:
            what = f"{run.name} opened the test set as its winner, but its winner is another or not fixed"
            yield Finding(title_of(tuning), what, run.run_id)
