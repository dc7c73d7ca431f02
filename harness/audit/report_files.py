"""Check: the files of the report are what would be written again from the store, byte for byte."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from harness.audit.evidence import Evidence, Finding, remark
from harness.audit.figures import UNREADABLE
from harness.report import write_report
from harness.report.store import Look
from harness.words import iso_second

MOST = 60
"""Characters shown of a line."""
LATER = "other studies have opened these test images since it was written; `harness report` writes it with their looks"
ADVICE = (
    "a report by another version, or of an earlier state of the store, differs too: `harness report` writes it again"
)


def check_report(evidence: Evidence) -> tuple[Finding, ...]:
    """Return files of the report that are altered, out of date or missing."""
    folder = evidence.report_folder
    if not (folder / "index.html").is_file():
        return (remark(str(folder), "there is no report here to be checked; `harness report` writes it"),)
    try:
        found = _unlike_store(evidence)
        written = (folder / "index.html").stat().st_mtime
        if found and any(_second(look) > written for look in evidence.findings.looks if not look.is_own):
            found = _unlike_store(evidence, until=written) or (remark(str(folder), LATER),)
    except (*UNREADABLE, ArithmeticError, TypeError) as error:
        return (Finding(str(folder), f"the report cannot be written again: {type(error).__name__}: {error}"),)
    return (*found, remark(str(folder), ADVICE)) if any(each.is_fault for each in found) else found


def _second(look: Look) -> int:
    return iso_second(look.opening.time) or 0


def _unlike_store(evidence: Evidence, until: float | None = None) -> tuple[Finding, ...]:
    """Return the files that are not what the store gives, or gave until a Unix second (see `gather`)."""
    with tempfile.TemporaryDirectory() as again:
        write_report(evidence.store, evidence.plan, Path(again), until)
        return tuple(_differences(evidence.report_folder, Path(again)))


def _differences(folder: Path, again: Path) -> Iterator[Finding]:
    for path in sorted(path for path in again.rglob("*") if path.is_file()):
        name = path.relative_to(again)
        kept = folder / name
        if not kept.is_file():
            yield Finding(str(name), "is missing")
        elif kept.read_bytes() != path.read_bytes():
            yield Finding(str(name), _difference(kept, path))


def _difference(kept: Path, again: Path) -> str:
    """Return where two texts begin to differ; of pictures only that they do."""
    try:
        pairs = zip_longest(kept.read_text("utf-8").split("\n"), again.read_text("utf-8").split("\n"), fillvalue="")
    except UnicodeDecodeError:
        return "is another picture than the store gives"
    for line, (mine, wanted) in enumerate(pairs, 1):
        if mine != wanted:
            start = next(i for i, (a, b) in enumerate(zip_longest(mine, wanted)) if a != b)
            place = max(0, start - MOST // 3)
            return f'line {line} has "{mine[place : place + MOST]}", the store gives "{wanted[place : place + MOST]}"'
    return "has other line ends than the store gives"
