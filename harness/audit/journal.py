"""Check: the journal is whole, and the plans and the runs of the study are what it says.

Each entry holds the digest of the one before (`harness.track.journal`), so an entry that was changed, or taken out, is
missed by the next. What the store says is held against the entries: the plan with its claims, how each run ended and
what it logged. Runs that were deleted are told as gone; the audit fails of them only where the report would show
something else than what happened, as a cell that failed and is shown as missing.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.evidence import Evidence, Finding, altered_files, not_recorded, remark
from harness.audit.files import has_settings
from harness.execute.recording import TAG
from harness.track import Record
from harness.track.copies import origin_of
from harness.track.journal import Entry, Head, forks_of
from harness.track.runs import LONGEST_TAG, cut
from harness.words import iso_moment, iso_second, whole


def check_journal(evidence: Evidence) -> tuple[Finding, ...]:
    """Return where the journal is broken, and what of the study is not as it says."""
    journal = evidence.findings.journal
    found: tuple[Finding, ...] = (
        *_broken(journal, evidence.store.journal.written_here()),
        *_plans(evidence),
        *_endings(evidence),
    )
    known = {entry.run_id for entries in evidence.ends.values() for entry in entries}
    silent = [run.name for run in evidence.shown if not {run.run_id, origin_of(run)} & known]
    found += tuple(remark(name, "is in the store, not in the file") for name in evidence.findings.beyond)
    if not journal:
        return (*found, remark("journal", "not recorded: there is none, by the version that ran this store"))
    return (*found, *not_recorded(silent, "an entry in the journal"))


def _broken(journal: tuple[Entry, ...], written: Head | None) -> Iterator[Finding]:
    """Yield entries that are not there any more, as far as others name them, and forks."""
    known = {entry.digest for entry in journal}
    for entry in journal:
        if entry.previous and entry.previous not in known:
            what = f"entry {whole(entry.number)} of {iso_moment(entry.time)} follows one that is gone or was changed"
            yield Finding("journal", f"{what}: {entry.previous[:16]}")
        for last in entry.said.get("last", ()) if entry.kind == "merge" else ():
            if last not in known:
                where = f"the journal of {entry.said.get('home')}, merged at {iso_moment(entry.time)}"
                yield Finding("journal", f"the last entry of {where}, is gone or was changed: {last[:16]}")
    if written is not None and written.digest not in known:
        what = f"entry {whole(written.number)}, the last that this home wrote, is gone or was changed"
        yield Finding("journal", f"{what}: {written.digest[:16]}")
    for fork in forks_of(journal):
        times = " and ".join(iso_moment(entry.time) for entry in fork)
        what = f"{len(fork)} entries follow the same one, those of {times}: two homes wrote to this store at once"
        yield remark("journal", f"{what}, so the order of what they did is known by their clocks alone")


def _plans(evidence: Evidence) -> Iterator[Finding]:
    """Yield plans, claims and other files of matrix runs that are not as they were logged."""
    planned = [entry for entry in evidence.entries if entry.kind == "plan" and entry.study == evidence.plan.study]
    for entry in planned:
        where, run = f"plan of {iso_moment(entry.time)}", evidence.run_of(entry.run_id)
        if run is None:
            yield remark(where, "its matrix run is gone", entry.run_id)
            continue
        for text in (*altered_files(evidence, run, entry), *_altered_tags(run, entry)):
            yield Finding(where, text, run.run_id)
    known = {entry.run_id for entry in planned}
    for run in evidence.records if planned else ():
        is_later = run.kind == "matrix" and run.start > _second(planned[0])
        if is_later and not {run.run_id, origin_of(run)} & known and evidence.folder(run.run_id) is not None:
            is_cut_short = run.status in {"KILLED", "RUNNING"}
            yield Finding(run.name, "its plan is not in the journal", run.run_id, is_fault=not is_cut_short)


def _altered_tags(run: Record, entry: Entry) -> Iterator[str]:
    for name, value in dict(entry.said.get("tags", {})).items():
        found = run.tags.get(name, "")
        if found != cut(value, LONGEST_TAG):
            yield f"{name} is {found or 'nothing'} in the store, logged was {value}"


def _second(entry: Entry) -> int:
    return iso_second(entry.time) or 0


def _endings(evidence: Evidence) -> Iterator[Finding]:
    """Yield runs that did not end, or did not log, what the journal says; the last entry of a run counts."""
    last = {entry.run_id: entry for entry in evidence.entries if entry.kind in {"ending", "resumed"}}
    finished = {run.key for run in evidence.shown}
    open_still = {each.key for each in evidence.planned} - finished
    for run_id, entry in last.items():
        run = evidence.run_of(run_id)
        if entry.kind == "resumed":
            continue
        if run is None:
            what = f"its run {_ended(entry)}, and is gone"
            yield Finding(evidence.name(entry.key), what, run_id, is_fault=entry.key in open_still)
            continue
        for text, is_fault in _unlike(run, entry):
            yield Finding(run.name, text, run.run_id, is_fault=is_fault or entry.key in open_still)
    for run in evidence.shown:
        if not {run.run_id, origin_of(run)} & last.keys() and has_settings(evidence.folder(run.run_id)):
            yield Finding(
                run.name, "the journal has no entry of its end, which is written before a run ends", run.run_id
            )


def _unlike(run: Record, entry: Entry) -> Iterator[tuple[str, bool]]:
    """Yield what a run has that its last entry has not, and whether the audit fails of it whatever the report shows."""
    status = entry.said.get("status")
    if run.status != status:
        yield f"{_ended(entry)}; the store has it as {run.status}", False
    elif status == "FAILED" and run.tags.get("harness.error", "") != entry.said.get("error", ""):
        yield f"{_ended(entry)}; the store has another reason: {run.tags.get('harness.error', 'none')}", True
    if status == "FINISHED" and run.tags.get(TAG, "") != entry.said.get("manifest"):
        yield f"the digest of what it logged is {run.tags.get(TAG) or 'gone'}, in the journal it is another", True


def _ended(entry: Entry) -> str:
    """Return how a run ended, as words after its name."""
    when, error = iso_moment(entry.time), entry.said.get("error")
    match entry.said.get("status"):
        case "FINISHED":
            return f"finished at {when}"
        case "FAILED":
            return f"failed at {when} ({error})"
    return f"was pruned at {when}"
