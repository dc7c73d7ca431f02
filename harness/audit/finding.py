"""What a check of the audit finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, or that could not be checked."""

    where: str
    """The cell, file, data set or search."""
    what: str
    run_id: str = ""
    is_fault: bool = True
    """Whether the audit fails of it; if not, it is to be known all the same."""


def remark(where: str, what: str, run_id: str = "") -> Finding:
    """Return a finding that the audit does not fail of."""
    return Finding(where, what, run_id, is_fault=False)


def not_recorded(names: Sequence[str], what: str) -> tuple[Finding, ...]:
    """Return one remark on all runs that an earlier version logged without something; none if there are none."""
    if not names:
        return ()
    others = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return (remark(f"{names[0]}{others}", f"not recorded: {what}, by the version that ran it"),)
