"""Checks of test openings: one a cell, on record before the images were read, by a model whose fit was over.

What was opened is a model, by its digest: so a run whose model is the opened one had fitted it before. The journal has
the order of openings and ends of runs. Where it has not, in stores of earlier versions, clocks have it: a worker writes
down when a fit ended before it asks for the opening (`FitReport.ended`, the tag `harness.fit_ended`), and workers on
several machines have to agree to a second. A clock that disagrees with the journal is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from harness.audit.evidence import Evidence, Finding, not_recorded, remark
from harness.contracts import UNKNOWN_SET, Opening, SealedSet, looks
from harness.contracts.metrics import metric_of
from harness.data.seal import CHANGED_SINCE
from harness.execute.plan import changed_since
from harness.report.variants import dataset_name
from harness.track import Record
from harness.track.copies import origin_of
from harness.track.journal import Entry, opening_in
from harness.track.ledger import look_of
from harness.words import iso_moment, iso_second, percent

FIT_ENDED: Final = "harness.fit_ended"


def check_openings(evidence: Evidence) -> tuple[Finding, ...]:
    """Return what is wrong with the ledger's lines, and runs that opened a test set without one."""
    lines: dict[str, list[Opening]] = defaultdict(list)
    for opening in evidence.openings:
        lines[opening.key].append(opening)
    silent = (
        finding
        for run in evidence.runs
        for finding in _without_line(run, [each for each in lines[run.key] if not _is_of_other_set(run, each)])
    )
    unlike = (*_without_entry(evidence), *_without_opening(evidence))
    found = (*_twice(evidence), *_wrong_lines(evidence), *unlike, *_never(evidence, lines), *silent)
    return (*found, *_changed(evidence), *_not_shown(evidence))


def _is_of_other_set(run: Record, opening: Opening) -> bool:
    """Whether a run of the cell is known to have opened another test set than the opening's."""
    return opened_set(run).is_same(opening.test_set) is False


def opened_set(run: Record) -> SealedSet:
    """Return the test set that a run opened, as far as it is on record."""
    return SealedSet(run.tags.get("harness.test_files", ""), run.tags.get("harness.test_fingerprint", ""))


def _changed(evidence: Evidence) -> Iterator[Finding]:
    """Yield data sets whose test files are at hand and are not those that were planned and opened."""
    for dataset in changed_since(evidence.planned, evidence.store.home / "cache"):
        yield remark(dataset_name(dataset), CHANGED_SINCE)


def _not_shown(evidence: Evidence) -> Iterator[Finding]:
    """Yield, to be known, who else opened these test images."""
    for look in evidence.findings.looks:
        reached = "no test accuracy is on record" if look.accuracy is None else f"it reached {percent(look.accuracy)} %"
        where = "" if look.is_own else f", in study {look.opening.study}"
        what = f"opened these test images at {iso_moment(look.opening.time)}{where}, and is not shown; {reached}"
        yield remark(look.name, what, look.opening.run_id)


def _without_entry(evidence: Evidence) -> Iterator[Finding]:
    """Yield lines of the ledger that are not as the journal has them, or not in it though their run is."""
    ended = {entry.run_id for entries in evidence.ends.values() for entry in entries}
    for opening in evidence.openings:
        entries = evidence.opened.get(look_of(opening), ())
        where, run = evidence.name_of(opening), evidence.run_of(opening.run_id)
        if not entries and run is not None and {run.run_id, origin_of(run)} & ended:
            what = f"the ledger has its opening at {iso_moment(opening.time)}, the journal none of this model and set"
            yield Finding(where, what, opening.run_id)
        differing = [found for found in (_differing(evidence, opening, entry) for entry in entries) if found]
        if entries and len(differing) == len(entries):
            name, logged, wanted = differing[0]
            what = f"the {name} of its opening is {logged} in the ledger, {wanted} in the journal"
            yield Finding(where, what, opening.run_id)


def _differing(evidence: Evidence, opening: Opening, entry: Entry) -> tuple[str, str, str] | None:
    """Return the first field in which a line differs from an entry, with both values; None if there is none."""
    line, run = asdict(opening), evidence.run_of(opening.run_id)
    for name, value in asdict(opening_in(entry)).items():
        if name == "run_id" and run is not None and value in {run.run_id, origin_of(run)}:
            continue
        if line[name] != value:
            return name.replace("_", " "), str(line[name]) or "missing", str(value) or "missing"
    return None


def _without_opening(evidence: Evidence) -> Iterator[Finding]:
    """Yield openings of the journal that the ledger has no line of; the entry is written first, then the line."""
    lines = {look_of(opening) for opening in evidence.openings}
    for look, (entry, *_) in evidence.opened.items():
        if look in lines:
            continue
        run = evidence.run_of(entry.run_id)
        is_cut_short = run is not None and run.status != "FINISHED" and run.tags.get("harness.test") != "opened"
        model = opening_in(entry).model_digest
        what = f"the journal has its opening at {iso_moment(entry.time)} by model {model}; the ledger's line is gone"
        if is_cut_short:
            what = f"was stopped at {iso_moment(entry.time)} just before its opening; no test image was read"
        yield Finding(evidence.name(entry.key), what, entry.run_id, is_fault=not is_cut_short)


def _twice(evidence: Evidence) -> Iterator[Finding]:
    """Yield test sets that a cell opened more than once.

    A line of an earlier version, which does not say what it opened, may stand beside one that does: but only of another
    run with the same model, since the seal refuses everything else.
    """
    unclear = [opening for opening in evidence.openings if opening.test_set == UNKNOWN_SET]
    beside = (
        (line, other)
        for line in unclear
        for other in evidence.openings
        if other.key == line.key and other.test_set != UNKNOWN_SET
        if other.run_id == line.run_id or other.model_digest != line.model_digest
    )
    for each in (*looks(evidence.openings), *beside):
        if len(each) > 1:
            times = ", ".join(iso_moment(opening.time) for opening in each)
            what = f"its test set was opened {len(each)} times ({times}); once a cell is all there may be"
            yield Finding(evidence.name_of(each[0]), what, each[-1].run_id)


def _wrong_lines(evidence: Evidence) -> Iterator[Finding]:
    """Yield lines whose run is not there, is another cell's, or has another model."""
    for opening in evidence.openings:
        where, run = evidence.name_of(opening), evidence.by_id.get(opening.run_id)
        if run is None:
            yield Finding(
                where, f"the run that opened its test set at {iso_moment(opening.time)} is gone", opening.run_id
            )
            continue
        if run.key != opening.key:
            what = f"the ledger says that run {run.name} opened its test set, but that run is of cell {run.key}"
            yield Finding(where, what, run.run_id)
        source = run.tags.get("harness.source_digest", "")
        if opening.source_digest and source != opening.source_digest:
            what = f"its test set was opened by source {opening.source_digest}, but its run is of source {source}"
            yield Finding(where, what, run.run_id)
        model = run.tags.get("harness.model_digest", "")
        if model and model != opening.model_digest:
            what = f"its test set was opened by model {opening.model_digest}, but its run's model is {model}"
            yield Finding(where, what, run.run_id)


def _never(evidence: Evidence, lines: dict[str, list[Opening]]) -> Iterator[Finding]:
    """Yield cells that were to keep their test set sealed; trials are left to the check of searches."""
    asked = {planned.key for planned in evidence.planned if planned.cell.test == "never"}
    asked |= {run.key for run in evidence.runs if run.kind == "cell" and run.params.get("test") == "never"}
    for key in sorted(asked):
        if lines[key]:
            what = (
                f"was to keep its test set sealed (test: never), but it was opened at {iso_moment(lines[key][0].time)}"
            )
            yield Finding(evidence.name(key), what, lines[key][0].run_id)


def _without_line(run: Record, lines: list[Opening]) -> Iterator[Finding]:
    """Yield what a run says of its test set that the ledger does not."""
    says_opened = run.tags.get("harness.test") == "opened"
    figures = sorted(name for name in run.metrics if metric_of(name).is_of_test)
    if not lines and (says_opened or figures):
        proof = "is tagged as opened" if says_opened else f"has {figures[0]}"
        yield Finding(run.name, f"its test set {proof}, but the ledger has no opening", run.run_id)
    elif figures and not says_opened:
        tag = run.tags.get("harness.test", "nothing")
        yield Finding(run.name, f"has {figures[0]}, but says of its test set: {tag}", run.run_id)
    known = {opening.model_digest for opening in lines}
    model = run.tags.get("harness.model_digest", "")
    is_listed = run.run_id in {opening.run_id for opening in lines}
    if says_opened and lines and not is_listed and model not in known:
        yield Finding(run.name, f"its model {model} looked at a test set that another model opened", run.run_id)


def check_order(evidence: Evidence) -> tuple[Finding, ...]:
    """Return openings before the end of the fit, or outside of the time of the run that they belong to."""
    findings = tuple(finding for opening in evidence.openings for finding in _in_order(evidence, opening))
    unknown = [run.name for run in evidence.runs if _is_finished_opening(run) and not run.tags.get(FIT_ENDED)]
    return (*findings, *not_recorded(unknown, "when the fit ended"))


def _in_order(evidence: Evidence, opening: Opening) -> Iterator[Finding]:
    """Yield what is wrong with the time of an opening; where the journal has its run in order, that is a remark."""
    is_in_order = _is_in_order(evidence, opening)
    for finding in _by_clock(evidence, opening):
        if is_in_order and finding.run_id == opening.run_id:
            what = f"{finding.what} by the clock; the journal has them in order, so a clock was set back"
            yield remark(finding.where, what, finding.run_id)
        else:
            yield finding


def _is_in_order(evidence: Evidence, opening: Opening) -> bool:
    """Whether the journal has an opening as the ledger has it, and the end of its run after it."""
    entry = evidence.entry_of(opening)
    if entry is None or _differing(evidence, opening, entry):
        return False
    ends = [
        each
        for each in evidence.ends.get(opening.key, ())
        if each.run_id == entry.run_id and each.said.get("status") == "FINISHED"
    ]
    return all(evidence.is_before(entry, each) for each in ends)


def _by_clock(evidence: Evidence, opening: Opening) -> Iterator[Finding]:
    where, second, when = evidence.name_of(opening), iso_second(opening.time), iso_moment(opening.time)
    if second is None:
        yield Finding(where, f'the ledger has "{opening.time}" for the time of its opening', opening.run_id)
        return
    run = evidence.by_id.get(opening.run_id)
    if run is not None:
        yield from _outside(where, second, when, run)
    for each in evidence.by_key.get(opening.key, ()):
        ended = iso_second(each.tags.get(FIT_ENDED, ""))
        if _is_of_other_set(each, opening) or (run is not None and _is_the_same_model_again(each, opening)):
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
