"""What a doubter would ask, and what the store answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from harness.contracts import Opening
from harness.report.blocks import Column, Fact, Table, Tone, Value, named
from harness.report.duplicates import Duplicates
from harness.report.ledger import LedgerSummary
from harness.report.store import Entry, Findings
from harness.report.variants import QUESTION, Variant, dataset_name, device_of, micro_batches_answer
from harness.words import amount

COLUMNS: Final = (Column("question", numeric=False), Column("answer", numeric=False))
DIRTY: Final = "+dirty"
SHOWN: Final = 5
"""Names that are spelled out before the rest is counted."""


@dataclass(frozen=True, slots=True)
class Honesty:
    """Questions with their answers, and what a reader can do to see for himself."""

    answers: Table
    see: tuple[Fact, ...]


def honesty_of(
    findings: Findings, variants: Sequence[Variant], ledger: LedgerSummary, duplicates: Sequence[Duplicates], cut: str
) -> Honesty:
    """Return the page's answers; `cut` says why the figures are for testing only, empty where they are not."""
    parted = micro_batches_answer(findings.entries)
    rows = [
        _row("Was each test set opened once a cell, after fitting?", *_openings(findings, ledger)),
        *(_row(f"Are test images of {each.dataset} in its training data?", *_copies(each)) for each in duplicates),
        _row("Was anything limited or cut short?", cut or "No: whole data sets, whole matrix file.", _bad(bool(cut))),
        _row("Are cells missing or failed?", *_missing(findings)),
        _row("Has every experiment all its seeds?", *_seeds(variants)),
        _row("Was validation carved the same way everywhere?", *_splits(findings)),
        _row("Was it one state of the code?", *_code(findings)),
        _row("Was it one kind of device?", *_devices(findings)),
        *([_row(QUESTION, parted, "bad")] if parted else []),
    ]
    return Honesty(Table("Questions to a report", COLUMNS, tuple(rows)), _see(findings))


def _row(question: str, answer: str, tone: Tone = "") -> tuple[Value, ...]:
    return (named(question), named(answer, tone))


def _bad(is_bad: bool) -> Tone:
    return "bad" if is_bad else ""


def _openings(findings: Findings, ledger: LedgerSummary) -> tuple[str, Tone]:
    entries = {entry.planned.key: entry for entry in findings.entries if entry.tag("fit_ended")}
    timed = [opening for opening in findings.openings if opening.key in entries]
    early = [opening for opening in timed if _is_early(opening, entries[opening.key])]
    if ledger.faults or early:
        told = [*ledger.faults, *(f"run {opening.run_id} opened it before its fit had ended" for opening in early)]
        return f"No. {ledger.text} {_few(told)}.", "bad"
    if not findings.openings:
        return ledger.text, ""
    after = "" if len(timed) < len(findings.openings) else " Each opening came after the end of its fit."
    return f"Yes. {ledger.text}{after}", ""


def _is_early(opening: Opening, entry: Entry) -> bool:
    """Whether the fit ended after the opening; one that was repeated, to the same model, could not learn from it."""
    is_repeated = entry.run is not None and entry.run.run_id != opening.run_id
    if is_repeated and entry.tag("model_digest") == opening.model_digest:
        return False
    return _moment(opening.time) < _moment(entry.tag("fit_ended"))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _copies(duplicates: Duplicates) -> tuple[str, Tone]:
    return duplicates.text, _bad(duplicates.is_fault)


def _missing(findings: Findings) -> tuple[str, Tone]:
    lacking = [entry for entry in findings.entries if entry.state != "done"]
    if not lacking:
        return f"No: all {amount(len(findings.entries), 'cell')} are finished.", ""
    counts = Counter(entry.state for entry in lacking)
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"Yes, {states}: {_few([entry.planned.name for entry in lacking])}.", "bad"


def _seeds(variants: Sequence[Variant]) -> tuple[str, Tone]:
    lacking = [variant.name for variant in variants if len(variant.finished) < len(variant.entries)]
    if lacking:
        return f"No: {_few(lacking)}.", "bad"
    counts = sorted({len(variant.entries) for variant in variants})
    if counts == [1]:
        return "Yes, but it is a single one: nothing here says how much seeds differ.", ""
    return f"Yes: {' or '.join(map(str, counts))} each.", ""


def _splits(findings: Findings) -> tuple[str, Tone]:
    digests: dict[str, dict[str, None]] = {}
    for entry in findings.finished:
        digest = entry.tag("split_digest")
        if digest:
            digests.setdefault(dataset_name(entry.planned.cell.dataset), {})[digest] = None
    if not digests:
        return "No digests of splits were recorded.", "muted"
    told = "; ".join(f"{name}: {', '.join(found)}" for name, found in digests.items())
    same = all(len(found) == 1 for found in digests.values())
    return (f"Yes, by the digest of its images ({told})." if same else f"No, the file asks for several ({told})."), ""


def _code(findings: Findings) -> tuple[str, Tone]:
    states = list(dict.fromkeys(entry.tag("git") for entry in findings.finished if entry.tag("git")))
    if not states or states == ["none"]:
        return "Not known: it was run outside of a repository.", "muted"
    told = ", ".join(f"{state.removesuffix(DIRTY)[:12]}{_changed(state)}" for state in states)
    if states == [states[0].removesuffix(DIRTY)]:
        return f"Yes, commit {told}.", ""
    return f"{'No' if len(states) > 1 else 'Not quite'}: {told}.", "bad"


def _changed(state: str) -> str:
    return " with uncommitted changes (uncommitted.diff of the matrix run)" if state.endswith(DIRTY) else ""


def _devices(findings: Findings) -> tuple[str, Tone]:
    counts = Counter(device_of(entry) for entry in findings.finished)
    if not counts:
        return "Nothing has run yet.", "muted"
    told = ", ".join(f"{name} ({amount(count, 'cell')})" for name, count in counts.items())
    return (f"Yes: {told}." if len(counts) == 1 else f"No, so times are not averaged over them: {told}."), ""


def _see(findings: Findings) -> tuple[Fact, ...]:
    matrix = findings.plan.matrix
    return (
        Fact(f"harness audit {matrix}", "every figure is computed again from the logged predictions and compared"),
        Fact(f"harness report {matrix}", "the same store gives the same files, byte for byte"),
        Fact(f"harness plan {matrix}", "each cell with its state, and whether its source has changed since"),
        Fact("harness ui", "every run: settings, epochs, predictions, pictures, the model itself"),
    )


def _few(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest:,} more" if rest > 0 else "")
