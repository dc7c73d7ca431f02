"""What the test sets were opened for, as the ledger has it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from harness.contracts.metrics import TEST_ACCURACY
from harness.report.blocks import Column, Run, Table, Value, named
from harness.report.store import Findings
from harness.words import amount

COLUMNS = (
    Column("opened at (UTC)", numeric=False),
    Column("cell", numeric=False),
    Column("model digest", numeric=False),
    Column("run", numeric=False),
    Column("host", numeric=False),
)


@dataclass(frozen=True, slots=True)
class LedgerSummary:
    """The openings in words, what is wrong with them, and each of them."""

    text: str
    faults: tuple[str, ...]
    openings: Table


def ledger_summary(findings: Findings) -> LedgerSummary:
    """Return the summary of the ledger's lines for the study's cells."""
    names = {entry.planned.key: entry.planned.name for entry in findings.entries}
    rows = tuple(
        (
            named(opening.time.replace("+00:00", "")),
            named(names.get(opening.key, opening.key)),
            Value(opening.model_digest[:16], opening.model_digest, code=True),
            Value(opening.run_id, opening.run_id, code=True, runs=(Run("", opening.run_id),)),
            named(opening.host),
        )
        for opening in findings.openings
    )
    return LedgerSummary(_text(findings), _faults(findings, names), Table("Openings of test sets", COLUMNS, rows))


def _text(findings: Findings) -> str:
    opened = {opening.key for opening in findings.openings}
    never = sum(entry.planned.cell.test == "never" for entry in findings.entries)
    waiting = len(findings.entries) - len(opened) - never
    if not findings.openings:
        parts = ["The test set was not opened for any cell"]
    else:
        parts = [f"The test set was opened {amount(len(findings.openings), 'time')} for {amount(len(opened), 'cell')}"]
    parts += [f"{amount(never, 'cell keeps', 'cells keep')} it sealed for good"] if never else []
    parts += [f"{amount(waiting, 'cell')} may open it yet"] if waiting > 0 else []
    return "; ".join(parts) + "."


def _faults(findings: Findings, names: dict[str, str]) -> tuple[str, ...]:
    counts = Counter(opening.key for opening in findings.openings)
    twice = [f"{names.get(key, key)}: {amount(count, 'opening')}" for key, count in counts.items() if count > 1]
    silent = [
        f"{entry.planned.name}: has test figures, but no opening is in the ledger"
        for entry in findings.finished
        if entry.metric(TEST_ACCURACY) is not None and not counts[entry.planned.key]
    ]
    unwanted = [
        f"{entry.planned.name}: was to keep its test set sealed, but an opening is in the ledger"
        for entry in findings.entries
        if entry.planned.cell.test == "never" and counts[entry.planned.key]
    ]
    return (*twice, *silent, *unwanted)
