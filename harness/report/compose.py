"""The report as one value, from which every file is written."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.blocks import Section
from harness.report.context import Context
from harness.report.sections import sections_of
from harness.report.sections.headline import warning
from harness.report.sections.tuning import TuningSection, tuning_section
from harness.report.significance import Verdicts
from harness.report.variants import Links, Variant


@dataclass(frozen=True, slots=True)
class Report:
    """All parts in the order in which they are shown.

    Experiments are ranked, the best on the test set first.
    """

    study: str
    warning: str
    variants: tuple[Variant, ...]
    verdicts: Verdicts
    tuning: TuningSection | None
    links: Links
    sections: tuple[Section, ...]
    """Those that are made of blocks; the page and results.md have them in place of the fields above."""


def compose(context: Context) -> Report:
    """Return the report of what was gathered; curves, confusions and checks are read from the store."""
    findings = context.findings
    return Report(
        study=findings.plan.study,
        warning=warning(findings),
        variants=context.variants,
        verdicts=context.verdicts,
        tuning=tuning_section(findings),
        links=context.links,
        sections=sections_of(context),
    )
