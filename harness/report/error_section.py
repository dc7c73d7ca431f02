"""All that the report says of errors on one set of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.agreement import AgreementOn, agreement_on
from harness.report.errors import ErrorsOn, errors_on
from harness.report.predictions import PredictionFiles, panels
from harness.report.reliability import ReliabilityOf, reliability_of
from harness.report.variants import Variant


@dataclass(frozen=True, slots=True)
class ErrorSection:
    """Errors, agreement (None of a single variant) and reliability on the same images."""

    errors: ErrorsOn
    agreement: AgreementOn | None
    reliability: tuple[ReliabilityOf, ...]


def error_sections(variants: Sequence[Variant], files: PredictionFiles) -> tuple[ErrorSection, ...]:
    """Return a section for each set of images that variants were measured on, that of the most variants first."""
    found = []
    for panel in panels(variants, files):
        errors = errors_on(panel, files.store)
        found.append(ErrorSection(errors, agreement_on(panel, errors.title), reliability_of(panel)))
    return tuple(found)
