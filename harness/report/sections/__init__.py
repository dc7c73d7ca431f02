"""The sections of the report in their order: a file each, a function `section(context) -> Section | None` each.

A section is a value made of blocks (`report/blocks.py`). It knows no writer and no other section's blocks; what two
sections need is worked out by a function of the context in the file of one of them, and asked for by `context.once`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from harness.phases import advance
from harness.report.blocks import Section
from harness.report.context import Context
from harness.report.sections import (
    ablations,
    agreement,
    by_setting,
    calibration,
    claims,
    compared,
    comparisons,
    confusions,
    cost,
    curves,
    diagnosis,
    errors,
    headline,
    honesty,
    inside,
    openings,
    results,
    test_sets,
    tuning,
)

SECTIONS: Final[tuple[Callable[[Context], Section | None], ...]] = (
    headline.section,
    results.section,
    test_sets.section,
    comparisons.section,
    compared.section,
    by_setting.section,
    openings.section,
    claims.section,
    ablations.section,
    tuning.section,
    diagnosis.section,
    curves.section,
    confusions.section,
    errors.section,
    agreement.section,
    calibration.section,
    inside.section,
    cost.section,
    honesty.section,
)
"""To add a section, write its file and put it where it is to be read."""


def sections_of(context: Context) -> tuple[Section, ...]:
    """Return the sections that have something to say; each is a step of the phase that goes on."""
    found = []
    for section in SECTIONS:
        found.append(section(context))
        advance()
    return tuple(section for section in found if section is not None)
