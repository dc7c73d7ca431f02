"""The report as one value, from which every file is written."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.blocks import Fact, Section, Table
from harness.report.confusions import Confusions, confusions_of
from harness.report.context import Context
from harness.report.cost import Cost, cost_of
from harness.report.duplicates import Duplicates, duplicates_of
from harness.report.error_section import ErrorSection, error_sections
from harness.report.headline import gaps, headline, warning
from harness.report.honesty import Honesty, honesty_of
from harness.report.ledger import LedgerSummary, ledger_summary
from harness.report.next_steps import next_steps
from harness.report.provenance import cells_table, facts, failures, train_seconds
from harness.report.sections import sections_of
from harness.report.sections.curves import all_curves
from harness.report.sections.diagnosis import all_diagnosed
from harness.report.sections.tuning import TuningSection, tuning_section
from harness.report.significance import Verdicts
from harness.report.store import Findings
from harness.report.variants import Links, Variant, dataset_name, experiment_variants
from harness.words import duration


@dataclass(frozen=True, slots=True)
class Report:
    """All parts in the order in which they are shown.

    Experiments are ranked, the best on the test set first.
    """

    study: str
    warning: str
    gaps: str
    headline: tuple[str, ...]
    next_steps: str
    """What to try next, empty where nothing is known."""
    glance: tuple[Fact, ...]
    variants: tuple[Variant, ...]
    verdicts: Verdicts
    ledger: LedgerSummary
    duplicates: tuple[Duplicates, ...]
    tuning: TuningSection | None
    confusions: tuple[Confusions, ...]
    errors: tuple[ErrorSection, ...]
    cost: Cost | None
    honesty: Honesty
    facts: tuple[Fact, ...]
    cells: Table
    failures: tuple[Fact, ...]
    links: Links
    sections: tuple[Section, ...]
    """Those that are made of blocks; the page and results.md have them in place of the fields above."""


def compose(context: Context) -> Report:
    """Return the report of what was gathered; curves, confusions and checks are read from the store."""
    findings, store, files = context.findings, context.store, context.files
    plan, variants, pictured = findings.plan, experiment_variants(findings), context.pictured
    curves = context.once(all_curves)
    known = context.verdicts
    ledger, duplicates, cut = ledger_summary(findings), duplicates_of(findings, store), warning(findings)
    return Report(
        study=plan.study,
        warning=cut,
        gaps=gaps(findings),
        headline=headline(variants, plan.report.baseline, known),
        next_steps=next_steps(variants, context.once(all_diagnosed), known),
        glance=_glance(findings),
        variants=context.variants,
        verdicts=known,
        ledger=ledger,
        duplicates=duplicates,
        tuning=tuning_section(findings),
        confusions=tuple(filter(None, (confusions_of(variant, store) for variant in pictured))),
        errors=error_sections(pictured, files),
        cost=cost_of(context.variants, store, curves, plan.report.baseline or ""),
        honesty=honesty_of(findings, variants, ledger, duplicates, cut),
        facts=facts(findings, store),
        cells=cells_table(findings),
        failures=failures(findings),
        links=context.links,
        sections=sections_of(context),
    )


def _glance(findings: Findings) -> tuple[Fact, ...]:
    """Return what is seen first beside the result."""
    entries = findings.entries
    return (
        Fact("data", ", ".join(dict.fromkeys(map(dataset_name, findings.plan.datasets)))),
        Fact("cells finished", f"{len(findings.finished)} of {len(entries)}"),
        Fact("seeds", str(len({entry.seed for entry in entries}))),
        Fact("test openings", str(len(findings.openings))),
        Fact("time of fitting", duration(train_seconds(findings))),
    )
