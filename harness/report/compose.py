"""The report as one value, from which every file is written."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.ablations import ablation_tables
from harness.report.claims import claims_table
from harness.report.confusions import Confusions, confusions_of
from harness.report.curves import Curves, curves_of
from harness.report.duplicates import Duplicates, duplicates_of
from harness.report.gather import Findings
from harness.report.headline import gaps, headline, warning
from harness.report.ledger import LedgerSummary, ledger_summary
from harness.report.numbers import duration
from harness.report.provenance import Fact, cells_table, facts, failures, train_seconds
from harness.report.records import ReportStore
from harness.report.results import ranked, results_table
from harness.report.tables import Table
from harness.report.variants import Variant, dataset_name, distinct_variants, experiment_variants


@dataclass(frozen=True, slots=True)
class Report:
    """All parts in the order in which they are shown.

    Experiments are ranked, the best on the test set first; pictures of ablations follow theirs.
    """

    study: str
    warning: str
    gaps: str
    headline: tuple[str, ...]
    glance: tuple[Fact, ...]
    variants: tuple[Variant, ...]
    results: Table
    ledger: LedgerSummary
    duplicates: tuple[Duplicates, ...]
    claims: Table | None
    ablations: tuple[Table, ...]
    curves: tuple[Curves, ...]
    confusions: tuple[Confusions, ...]
    facts: tuple[Fact, ...]
    cells: Table
    failures: tuple[Fact, ...]


def compose(findings: Findings, store: ReportStore) -> Report:
    """Return the report of what was gathered; curves, confusions and checks are read from the store."""
    plan, variants = findings.plan, experiment_variants(findings)
    pictured = (*ranked(variants), *(each for each in distinct_variants(findings) if each not in variants))
    return Report(
        study=plan.study,
        warning=warning(findings),
        gaps=gaps(findings),
        headline=headline(variants, plan.report.baseline),
        glance=_glance(findings),
        variants=ranked(variants),
        results=results_table(variants, plan.report.baseline),
        ledger=ledger_summary(findings),
        duplicates=duplicates_of(findings, store),
        claims=claims_table(plan.claims, distinct_variants(findings)),
        ablations=ablation_tables(findings),
        curves=tuple(filter(None, (curves_of(variant, store) for variant in pictured))),
        confusions=tuple(filter(None, (confusions_of(variant, store) for variant in pictured))),
        facts=facts(findings, store),
        cells=cells_table(findings),
        failures=failures(findings),
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
