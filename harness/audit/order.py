"""Check: every fit was over before the test set was opened.

The worker writes down when a fit ended before it asks for the opening (`FitReport.ended`, the tag
`harness.fit_ended`). Where workers run on other machines their clocks have to agree to a second.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.evidence import Evidence
from harness.audit.finding import Finding, not_recorded
from harness.contracts import Opening
from harness.track import Record
from harness.words import iso_moment, iso_second

FIT_ENDED = "harness.fit_ended"


def check_order(evidence: Evidence) -> tuple[Finding, ...]:
    """Return openings before the end of the fit, or outside of the time of the run that they belong to."""
    findings = tuple(finding for opening in evidence.openings for finding in _of_opening(evidence, opening))
    unknown = [run.name for run in evidence.runs if _is_finished_opening(run) and not run.tags.get(FIT_ENDED)]
    return (*findings, *not_recorded(unknown, "when the fit ended"))


def _of_opening(evidence: Evidence, opening: Opening) -> Iterator[Finding]:
    where, second, when = evidence.name(opening.key), iso_second(opening.time), iso_moment(opening.time)
    if second is None:
        yield Finding(where, f'the ledger has "{opening.time}" for the time of its opening', opening.run_id)
        return
    run = evidence.by_id.get(opening.run_id)
    if run is not None:
        yield from _outside(where, second, when, run)
    for each in evidence.by_key.get(opening.key, ()):
        ended = iso_second(each.tags.get(FIT_ENDED, ""))
        if run is not None and _is_the_same_model_again(each, opening):
            continue
        if ended is not None and _is_finished_opening(each) and second < ended:
            what = f"its test set was opened at {when}, before the fit ended at {iso_moment(each.tags[FIT_ENDED])}"
            yield Finding(where, what, each.run_id)


def _is_the_same_model_again(each: Record, opening: Opening) -> bool:
    """Whether a run other than the one that opened fitted, bit by bit, what was opened: it could not learn from it."""
    return each.run_id != opening.run_id and each.tags.get("harness.model_digest") == opening.model_digest


def _outside(where: str, second: int, when: str, run: Record) -> Iterator[Finding]:
    if second < int(run.start):
        yield Finding(where, f"its test set was opened at {when}, before its run began", run.run_id)
    if run.status == "FINISHED" and run.end is not None and second > run.end:
        yield Finding(where, f"its test set was opened at {when}, after its run had ended", run.run_id)


def _is_finished_opening(run: Record) -> bool:
    return run.status == "FINISHED" and run.tags.get("harness.test") == "opened"
