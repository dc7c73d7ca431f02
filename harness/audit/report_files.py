"""Check: the files of the report are what would be written again from the store, byte for byte."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from harness.audit.evidence import Evidence, Finding, remark
from harness.audit.figures import UNREADABLE
from harness.report import write_report

MOST = 60
"""Characters shown of a line."""
ADVICE = (
    "a report by another version, or of an earlier state of the store, differs too: `harness report` writes it again"
)


def check_report(evidence: Evidence) -> tuple[Finding, ...]:
    """Return files of the report that are altered, out of date or missing."""
    folder = evidence.report_folder
    if not (folder / "index.html").is_file():
        return (remark(str(folder), "there is no report here to be checked; `harness report` writes it"),)
    with tempfile.TemporaryDirectory() as again:
        try:
            write_report(evidence.store, evidence.plan.study, Path(again))
        except (*UNREADABLE, ArithmeticError, TypeError) as error:
            return (Finding(str(folder), f"the report cannot be written again: {type(error).__name__}: {error}"),)
        found = tuple(_differences(folder, Path(again)))
    return (*found, remark(str(folder), ADVICE)) if found else ()


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
